package sip

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestWebSocket_Frames: what is wrong with a frame ends the WebSocket with the
// status for it, and what is right is served.
func TestWebSocket_Frames(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	unmasked := string(wire.AppendFrame(nil, wire.WSText, []byte("hello")))
	for name, tc := range map[string]struct {
		send string
		want string // frame that comes, first byte and payload
	}{
		"unmasked":                    {unmasked, closed(wire.WSProtocol)},
		"reserved bit":                {siptest.ClientFrame(0xc1, "x"), closed(wire.WSProtocol)},
		"unknown kind":                {siptest.ClientFrame(0x83, "x"), closed(wire.WSProtocol)},
		"unknown control":             {siptest.ClientFrame(0x8b, "x"), closed(wire.WSProtocol)},
		"oversize":                    {siptest.ClientFrame(0x81, strings.Repeat("x", wire.MaxStreamed+1)), closed(wire.WSTooLarge)},
		"oversize in fragments":       {siptest.ClientFrame(1, strings.Repeat("x", wire.MaxStreamed)) + siptest.ClientFrame(0x80, "x"), closed(wire.WSTooLarge)},
		"63 bits":                     {"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", closed(wire.WSTooLarge)},
		"64 bits":                     {"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", closed(wire.WSProtocol)},
		"length not the shortest":     {"\x81\xfe\x00\x05", closed(wire.WSProtocol)},
		"continues nothing":           {siptest.ClientFrame(0x80, "x"), closed(wire.WSProtocol)},
		"text inside fragments":       {siptest.ClientFrame(1, "x") + siptest.ClientFrame(0x81, "y"), closed(wire.WSProtocol)},
		"fragment of a ping":          {siptest.ClientFrame(9, "x"), closed(wire.WSProtocol)},
		"long ping":                   {siptest.ClientFrame(0x89, strings.Repeat("x", 126)), closed(wire.WSProtocol)},
		"text that is not UTF-8":      {siptest.ClientFrame(0x81, "\xff"), closed(wire.WSBadText)},
		"ping":                        {siptest.ClientFrame(0x89, ""), "\x8a"},
		"ping with payload":           {siptest.ClientFrame(0x89, "are you there?"), "\x8aare you there?"},
		"pong, ping":                  {siptest.ClientFrame(0x8a, "x") + siptest.ClientFrame(0x89, "y"), "\x8ay"},
		"ping between fragments":      {siptest.ClientFrame(1, "OPT") + siptest.ClientFrame(0x89, "z"), "\x8az"},
		"close":                       {siptest.ClientFrame(0x88, "\x03\xe8bye"), closed(wire.WSNormal)},
		"close without status":        {siptest.ClientFrame(0x88, ""), "\x88"},
		"close with half a status":    {siptest.ClientFrame(0x88, "\x03"), closed(wire.WSProtocol)},
		"close with a bad status":     {siptest.ClientFrame(0x88, "\x03\xee"), closed(wire.WSProtocol)},
		"close, reason not UTF-8":     {siptest.ClientFrame(0x88, "\x03\xe8\xff"), closed(wire.WSProtocol)},
		"keep-alive":                  {siptest.ClientFrame(0x81, "\r\n\r\n"), "\x81\r\n"},
		"one CRLF asks nothing":       {siptest.ClientFrame(0x81, "\r\n") + siptest.ClientFrame(0x89, "x"), "\x8ax"},
		"an empty message, a ping":    {siptest.ClientFrame(0x81, "") + siptest.ClientFrame(0x89, "x"), "\x8ax"},
		"no SIP is ignored":           {siptest.ClientFrame(0x81, "hello") + siptest.ClientFrame(0x89, "x"), "\x8ax"},
		"zeros are ignored, as TCP's": {siptest.ClientFrame(0x82, "\x00\x00") + siptest.ClientFrame(0x89, "x"), "\x8ax"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.dial("ws").conn.(*webSocket)
			if _, err := io.WriteString(s.Conn, tc.send); err != nil {
				t.Fatal(err)
			}
			s.wants(t, tc.want)
			if tc.want[0] == 0x88 {
				if _, _, err := siptest.ServerFrame(s.r); err == nil {
					t.Error("something follows the close frame")
				}
			}
		})
	}
	until(t, "their connections end", func() bool { return w.server.flows.Len() <= len("the others") })
}

func closed(status wire.WSError) string {
	return string(binary.BigEndian.AppendUint16([]byte{0x88}, uint16(status)))
}

func (w *webSocket) wants(t *testing.T, want string) {
	t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(patience.Limit))
	first, payload, err := siptest.ServerFrame(w.r)
	if got := string(append([]byte{first}, payload...)); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestWebSocket_OneMessageInAnyFrames: text, binary, fragments of any size, and
// Content-Length left out (RFC 7118 §4.2).
func TestWebSocket_OneMessageInAnyFrames(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	for name, cut := range map[string]func(msg string) string{
		"text":   func(m string) string { return siptest.ClientFrame(0x81, m) },
		"binary": func(m string) string { return siptest.ClientFrame(0x82, m) },
		"fragments": func(m string) (all string) {
			all = siptest.ClientFrame(1, m[:1]) + siptest.ClientFrame(0, "")
			for _, c := range m[1:] {
				all += siptest.ClientFrame(0, string(c)) + siptest.ClientFrame(0x8a, "")
			}
			return all + siptest.ClientFrame(0x80, "")
		},
		"no Content-Length": func(m string) string {
			return siptest.ClientFrame(0x81, strings.Replace(m, "Content-Length: 0\r\n", "", 1))
		},
		"one byte a time": func(m string) string { return siptest.ClientFrame(0x81, m) },
	} {
		t.Run(name, func(t *testing.T) {
			l := w.dial("ws")
			l.t = t
			data := cut(fmt.Sprintf(alive, name[:3], "c"))
			step := len(data)
			if strings.HasPrefix(name, "one") {
				step = 1
			}
			for ; len(data) > 0; data = data[step:] {
				if _, err := io.WriteString(l.conn.(*webSocket).Conn, data[:step]); err != nil {
					t.Fatal(err)
				}
			}
			if res := l.final(); res == nil || res.code != 200 {
				t.Error(res)
			}
		})
	}
}

// TestWebSocket_TheServersCloseIsSaid when the server ends.
func TestWebSocket_TheServersCloseIsSaid(t *testing.T) {
	w := newWorld(t, allTransports(t)).run()
	for _, network := range []string{"ws", "wss"} {
		l := w.dial(network)
		l.ask(fmt.Sprintf(alive, network, "x")) // it is past Accept
		s := l.conn.(*webSocket)
		for _, f := range w.server.flows.All() {
			w.written()
			f.PingWebSocket()
			s.wants(t, "\x89")
			if err := f.Control(wire.WSPing, []byte("again")); err != nil { // behind the first
				t.Error(err)
			}
			s.wants(t, "\x89again")
			f.Close()
		}
		s.wants(t, closed(wire.WSGoingAway))
	}
}

// TestWebSocket_WhatIsNoTextIsSaidAsBinary: a browser ends a WebSocket over which
// text comes that is not UTF-8.
func TestWebSocket_WhatIsNoTextIsSaidAsBinary(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	for callID, want := range map[string]byte{"plain": 0x80 | wire.WSText, "gr\xc3\xbc\xc3\x9fe": 0x80 | wire.WSText, "gr\xfc\xdfe": 0x82} { // each of a transaction of its own
		s := w.dial("ws").conn.(*webSocket)
		if _, err := io.WriteString(s.Conn, siptest.ClientFrame(0x82, fmt.Sprintf(alive, fmt.Sprintf("x%x", callID), callID))); err != nil {
			t.Fatal(err)
		}
		_ = s.SetReadDeadline(time.Now().Add(patience.Limit))
		first, payload, err := siptest.ServerFrame(s.r)
		if err != nil || first != want || !strings.Contains(string(payload), "\r\nCall-ID: "+callID+"\r\n") {
			t.Errorf("%q: %#x %q, %v", callID, first, payload, err)
		}
	}
}

// TestWebSocket_WhatWasAskedBeforeTheCloseIsAnswered, and then the close.
func TestWebSocket_WhatWasAskedBeforeTheCloseIsAnswered(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	s := w.dial("ws").conn.(*webSocket)
	const n = 20
	var all strings.Builder
	for i := range n {
		all.WriteString(siptest.ClientFrame(0x81, fmt.Sprintf(alive, fmt.Sprint("q", i), fmt.Sprint("c", i))))
	}
	if _, err := io.WriteString(s.Conn, all.String()+siptest.ClientFrame(0x88, "\x03\xe8")); err != nil {
		t.Fatal(err)
	}
	_ = s.SetReadDeadline(time.Now().Add(patience.Limit))
	for i := range n {
		if first, payload, err := siptest.ServerFrame(s.r); err != nil || first != 0x81 || !strings.HasPrefix(string(payload), "SIP/2.0 200 ") {
			t.Fatalf("behind %d answers: %#x %q, %v", i, first, payload, err)
		}
	}
	s.wants(t, closed(wire.WSNormal))
}
