package sip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// TestWebSocket_Frames: what is wrong with a frame ends the WebSocket with the
// status for it, and what is right is served.
func TestWebSocket_Frames(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	unmasked := string(appendFrame(nil, wsText, []byte("hello")))
	for name, tc := range map[string]struct {
		send string
		want string // frame that comes, first byte and payload
	}{
		"unmasked":                    {unmasked, closed(wsProtocol)},
		"reserved bit":                {clientFrame(0xc1, "x"), closed(wsProtocol)},
		"unknown kind":                {clientFrame(0x83, "x"), closed(wsProtocol)},
		"unknown control":             {clientFrame(0x8b, "x"), closed(wsProtocol)},
		"oversize":                    {clientFrame(0x81, strings.Repeat("x", maxStreamed+1)), closed(wsTooLarge)},
		"oversize in fragments":       {clientFrame(1, strings.Repeat("x", maxStreamed)) + clientFrame(0x80, "x"), closed(wsTooLarge)},
		"63 bits":                     {"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", closed(wsTooLarge)},
		"64 bits":                     {"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", closed(wsProtocol)},
		"length not the shortest":     {"\x81\xfe\x00\x05", closed(wsProtocol)},
		"continues nothing":           {clientFrame(0x80, "x"), closed(wsProtocol)},
		"text inside fragments":       {clientFrame(1, "x") + clientFrame(0x81, "y"), closed(wsProtocol)},
		"fragment of a ping":          {clientFrame(9, "x"), closed(wsProtocol)},
		"long ping":                   {clientFrame(0x89, strings.Repeat("x", 126)), closed(wsProtocol)},
		"text that is not UTF-8":      {clientFrame(0x81, "\xff"), closed(wsBadText)},
		"ping":                        {clientFrame(0x89, ""), "\x8a"},
		"ping with payload":           {clientFrame(0x89, "are you there?"), "\x8aare you there?"},
		"pong, ping":                  {clientFrame(0x8a, "x") + clientFrame(0x89, "y"), "\x8ay"},
		"ping between fragments":      {clientFrame(1, "OPT") + clientFrame(0x89, "z"), "\x8az"},
		"close":                       {clientFrame(0x88, "\x03\xe8bye"), closed(wsNormal)},
		"close without status":        {clientFrame(0x88, ""), "\x88"},
		"close with half a status":    {clientFrame(0x88, "\x03"), closed(wsProtocol)},
		"close with a bad status":     {clientFrame(0x88, "\x03\xee"), closed(wsProtocol)},
		"close, reason not UTF-8":     {clientFrame(0x88, "\x03\xe8\xff"), closed(wsProtocol)},
		"keep-alive":                  {clientFrame(0x81, "\r\n\r\n"), "\x81\r\n"},
		"one CRLF asks nothing":       {clientFrame(0x81, "\r\n") + clientFrame(0x89, "x"), "\x8ax"},
		"an empty message, a ping":    {clientFrame(0x81, "") + clientFrame(0x89, "x"), "\x8ax"},
		"no SIP is ignored":           {clientFrame(0x81, "hello") + clientFrame(0x89, "x"), "\x8ax"},
		"zeros are ignored, as TCP's": {clientFrame(0x82, "\x00\x00") + clientFrame(0x89, "x"), "\x8ax"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.dial("ws").conn.(*webSocket)
			if _, err := io.WriteString(s.Conn, tc.send); err != nil {
				t.Fatal(err)
			}
			s.wants(t, tc.want)
			if tc.want[0] == 0x88 {
				if _, _, err := s.frame(); err == nil {
					t.Error("something follows the close frame")
				}
			}
		})
	}
	until(t, "their connections end", func() bool { return w.server.flows.len() <= len("the others") })
}

func closed(status wsError) string {
	return string(binary.BigEndian.AppendUint16([]byte{0x88}, uint16(status)))
}

func (w *webSocket) wants(t *testing.T, want string) {
	t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(5 * time.Second))
	first, payload, err := w.frame()
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
		"text":   func(m string) string { return clientFrame(0x81, m) },
		"binary": func(m string) string { return clientFrame(0x82, m) },
		"fragments": func(m string) (all string) {
			all = clientFrame(1, m[:1]) + clientFrame(0, "")
			for _, c := range m[1:] {
				all += clientFrame(0, string(c)) + clientFrame(0x8a, "")
			}
			return all + clientFrame(0x80, "")
		},
		"no Content-Length": func(m string) string { return clientFrame(0x81, strings.Replace(m, "Content-Length: 0\r\n", "", 1)) },
		"one byte a time":   func(m string) string { return clientFrame(0x81, m) },
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
			if res := l.receive(5 * time.Second); res == nil || res.code != 200 {
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
		for _, f := range w.server.flows.all() {
			written(t, f)
			f.pingWebSocket()
			s.wants(t, "\x89")
			if err := f.control(wsPing, []byte("again")); err != nil { // behind the first
				t.Error(err)
			}
			s.wants(t, "\x89again")
			f.Close()
		}
		s.wants(t, closed(wsGoingAway))
	}
}

// FuzzFrames: whatever comes, in whatever pieces, gives the same messages, no
// more memory than the limit, and no panic.
func FuzzFrames(f *testing.F) {
	for _, s := range []string{
		clientFrame(0x81, "hello"), clientFrame(1, "he") + clientFrame(0x89, "x") + clientFrame(0x80, "llo"), clientFrame(0x88, "\x03\xe8"),
		clientFrame(0x82, strings.Repeat("x", 200)), "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "\x81\xfe\x00\x05", clientFrame(0x81, "\xff"),
	} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s+s), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		whole := readFrames(t, bytes.Clone(data), len(data)+1)
		if parts := readFrames(t, bytes.Clone(data), int(step)+1); whole != parts {
			t.Errorf("at once %q, in pieces %q", whole, parts)
		}
	})
}

// readFrames tells what a WebSocket says whose bytes come in steps.
func readFrames(t *testing.T, data []byte, step int) (said string) {
	r := &frames{limit: 300}
	var buf []byte
	for len(data) > 0 {
		n := min(step, len(data))
		buf, data = append(buf, data[:n]...), data[n:]
		for {
			kind, payload, n, err := r.next(buf)
			if err != nil {
				return said + err.Error()
			}
			if n == 0 {
				break
			}
			if len(payload) > r.limit || len(r.partial) > r.limit || kind == wsText && !utf8.Valid(payload) {
				t.Fatalf("kind %d, %d bytes, %d in fragments", kind, len(payload), len(r.partial))
			}
			if kind != wsContinuation {
				said += fmt.Sprintf("%d %q\n", kind, payload)
			}
			if kind == wsClose {
				said += closeStatus(payload).Error()
			}
			buf = buf[n:]
		}
	}
	return said
}

// webSocket is one in the time of a bubble, and its phone's end.
func (p *pipes) webSocket() (*flow, net.Conn) {
	server, phone := net.Pipe()
	f := &flow{Conn: &wsConn{Conn: server}, l: p.l, pending: newPending(p.l.gate.seed), closed: make(chan struct{}),
		peer: netip.MustParseAddrPort("192.0.2.1:5060"), frames: &frames{limit: maxStreamed}}
	_ = p.l.flows.add(f)
	return f, phone
}

// answersPings is a phone that does, and says nothing else.
func (p *pipes) answersPings() *flow {
	f, phone := p.webSocket()
	go func() {
		w := &webSocket{Conn: phone, r: bufio.NewReader(phone)}
		for {
			first, payload, err := w.frame()
			if err != nil {
				return
			}
			if first == 0x89 {
				_, _ = io.WriteString(phone, clientFrame(0x8a, string(payload)))
			}
		}
	}()
	go func() {
		_, _ = io.Copy(io.Discard, f)
		f.Close()
	}()
	return f
}

// TestWebSocket_PongsKeepNobody: a connection over which nobody registers ends,
// however willingly its browser answers pings; a registered one stays.
func TestWebSocket_PongsKeepNobody(t *testing.T) {
	for _, registered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipes()
			f, began := p.answersPings(), time.Now()
			if registered {
				p.l.flows.attach(f.key(), "1001")
			}
			for open := true; open && time.Since(began) < 10*idleFlow; {
				select {
				case <-f.closed:
					open = false
				case <-time.After(wsKeepAlive):
					f.pingWebSocket()
				}
			}
			if d := time.Since(began); registered != (d >= 10*idleFlow) || !registered && d != idleFlow {
				t.Errorf("registered %v: ended after %v", registered, d)
			}
			f.Close()
		})
	}
}

// TestWebSocket_SlowMessages end their connection when a message has taken too
// long, whatever control frames come between its parts.
func TestWebSocket_SlowMessages(t *testing.T) {
	for name, begin := range map[string]string{
		"fragment":     clientFrame(1, "OPTIONS"),
		"header":       "\x81",
		"part of it":   clientFrame(0x81, "OPTIONS")[:8],
		"whole before": clientFrame(0x81, "x") + clientFrame(1, "y"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, phone := newPipes().webSocket()
				began := time.Now()
				go func() { _, _ = io.Copy(io.Discard, phone) }()
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = io.WriteString(phone, begin)
					for name == "fragment" {
						if _, err := io.WriteString(phone, clientFrame(0x8a, "")); err != nil {
							return
						}
						<-time.After(time.Second)
					}
				}()
				_, _ = io.Copy(io.Discard, f)
				f.Close()
				d := time.Since(began)
				patience.Receive(t, "the end of the browser", done)
				if d < wholeMessage || d > wholeMessage+lastAnswers {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}
