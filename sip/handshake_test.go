package sip

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/wire"
)

const alive = "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

// TestHandshakes_SilentOnesBlockNobody: phones that never finish a handshake
// keep no other from being served.
func TestHandshakes_SilentOnesBlockNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newWorld(t, inMemory(t))
		w.run()
		for _, network := range []string{"tls", "ws", "wss"} {
			for _, begin := range []string{"", "\x16\x03\x01", "GET / HTTP/1.1\r\nHost: "} {
				for range 10 {
					w.begins(network, begin)
				}
			}
			began := time.Now()
			if res := w.dial(network).ask(fmt.Sprintf(alive, network, network)); res.code != 200 || time.Since(began) > 0 {
				t.Errorf("%s: %d after %v", network, res.code, time.Since(began))
			}
		}
	})
}

// TestHeld_HandshakesGiveTheirPlacesBack: those that fail, those that succeed, and
// at the end of their time those that never finish.
func TestHeld_HandshakesGiveTheirPlacesBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newWorld(t, inMemory(t))
		w.run()
		for _, network := range []string{"tls", "ws", "wss"} {
			for range 3 {
				refused := w.begins(network, "no handshake at all\r\n\r\n")
				_ = refused.SetReadDeadline(time.Now().Add(wire.HandshakeTime / 2))
				if _, err := io.Copy(io.Discard, refused); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the connection of a phone that was refused is open", network)
				}
				for _, begin := range []string{"", "\x16\x03\x01", "GET / HTTP/1.1\r\nHost: "} {
					w.begins(network, begin).Close()
				}
				done := w.dial(network)
				if res := done.ask(fmt.Sprintf(alive, rand.Text(), rand.Text())); res.code != 200 {
					t.Errorf("%s: %d", network, res.code)
				}
				done.conn.Close()
			}
		}
		leftover.None(t, wire.HandshakeTime/2, w.server)
		for range 3 {
			w.begins("tls", "\x16\x03\x01")
			w.begins("ws", "GET / HTTP/1.1\r\nHost: ")
			w.begins("wss", "")
		}
		synctest.Wait()
		if n := w.server.Held()["sip_handshakes"]; n != 9 {
			t.Errorf("%d handshakes are under way, want 9", n)
		}
		leftover.None(t, 2*wire.HandshakeTime, w.server)
	})
}

// begins opens a connection in memory and says text, as far as the server reads that.
func (w *world) begins(network, text string) net.Conn {
	w.t.Helper()
	c, err := w.stream("198.51.100.7", w.server.Addr(transportOf[network]).String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	go func() { _, _ = io.WriteString(c, text) }()
	synctest.Wait()
	return c
}

// TestUpgrade_RefusesOthers: what is no request for a WebSocket for SIP is
// answered as HTTP, and its connection ends.
func TestUpgrade_RefusesOthers(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		allTransports(t)(c)
		c.Origins = []string{"https://phones.example.com"}
	})
	w.run()
	addr := w.server.Addr(transportOf["ws"]).String()
	fine := upgradeRequest("h")
	for name, tc := range map[string]struct {
		request string
		want    int // 0: no answer
	}{
		"browser page":      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426},
		"another protocol":  {strings.Replace(fine, "chat, sip", "chat", 1), 400},
		"no protocol":       {strings.Replace(fine, "Sec-WebSocket-Protocol: chat, sip\r\n", "", 1), 400},
		"old version":       {strings.Replace(fine, "Version: 13", "Version: 8", 1), 426},
		"bad key":           {strings.Replace(fine, testKey, "AAAA", 1), 400},
		"two keys":          {upgradeRequest("h", "Sec-WebSocket-Key: "+testKey), 400},
		"no host":           {strings.Replace(fine, "Host: h\r\n", "", 1), 400},
		"HTTP/1.0":          {strings.Replace(fine, "HTTP/1.1", "HTTP/1.0", 1), 400},
		"POST":              {strings.Replace(fine, "GET", "POST", 1), 405},
		"no connection":     {strings.Replace(fine, "keep-alive, Upgrade", "close", 1), 426},
		"body":              {upgradeRequest("h", "Content-Length: 5") + "hello", 400},
		"chunks":            {upgradeRequest("h", "Transfer-Encoding: chunked") + "0\r\n\r\n", 400},
		"smuggled":          {fine + "GET / HTTP/1.1\r\n", 400},
		"long":              {upgradeRequest("h", "X: "+strings.Repeat("x", wire.MaxUpgrade)), 431},
		"SIP":               {strings.ReplaceAll(fmt.Sprintf(alive, "a", "a"), "WS", "TCP"), 400},
		"no HTTP":           {"\x00\x01\x02\r\n\r\n", 400},
		"TLS":               {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400},
		"another origin":    {upgradeRequest("h", "Origin: https://evil.example.com"), 403},
		"two origins":       {upgradeRequest("h", "Origin: https://phones.example.com", "Origin: https://phones.example.com"), 403},
		"the right origin":  {upgradeRequest("h", "Origin: https://phones.example.com"), 101},
		"case of the words": {strings.NewReplacer("websocket\r", "WebSocket\r", "Upgrade\r", "UPGRADE\r").Replace(fine), 101},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tc.request); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(patience.Limit))
			if tc.want == 101 {
				head := make([]byte, 12)
				if _, err := io.ReadFull(c, head); err != nil || string(head) != "HTTP/1.1 101" {
					t.Errorf("%q, %v", head, err)
				}
				return
			}
			_ = c.(*net.TCPConn).CloseWrite()
			answer, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(answer), fmt.Sprintf("HTTP/1.1 %d ", tc.want)) {
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
	if n := w.server.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
}
