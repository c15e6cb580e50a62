package sip

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const alive = "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

// TestHandshakes_SilentOnesBlockNobody: phones that never finish a handshake
// keep no other from being served.
func TestHandshakes_SilentOnesBlockNobody(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	for _, network := range []string{"tls", "ws", "wss"} {
		for _, begin := range []string{"", "\x16\x03\x01", "GET / HTTP/1.1\r\nHost: "} {
			for range 10 {
				c, err := net.Dial("tcp", w.server.Addr(transportOf[network]).String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := io.WriteString(c, begin); err != nil {
					t.Fatal(err)
				}
			}
		}
		began := time.Now()
		if res := w.dial(network).ask(fmt.Sprintf(alive, network, network)); res.code != 200 || time.Since(began) > handshakeTime/2 {
			t.Errorf("%s: %d after %v", network, res.code, time.Since(began))
		}
	}
}

// pipeListener accepts what dial makes, in the time of a bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return nil }
func (l *pipeListener) dial() net.Conn {
	server, client := net.Pipe()
	l.conns <- server
	return client
}

func newPipeHandshakes() (*handshakes, *pipeListener) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	h := newHandshakes(l, (&upgrader{}).upgrade, slog.New(slog.DiscardHandler))
	h.limit = 3
	go func() {
		for {
			c, err := h.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return h, l
}

// TestHandshakes_TimeLimit: who is slow is let go when the time is over, not
// when nothing came for a while.
func TestHandshakes_TimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newPipeHandshakes()
		defer h.Close()
		c, began := l.dial(), time.Now()
		for _, part := range []string{"GET / HT", "TP/1.1\r\n", "Host: h\r\n"} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestHandshakes_TheOldestGivesWay when there are too many, and all end with
// the listener.
func TestHandshakes_TheOldestGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newPipeHandshakes()
		conns := make([]net.Conn, 4)
		for i := range conns {
			conns[i] = l.dial()
			synctest.Wait()
		}
		began := time.Now()
		if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 0 {
			t.Errorf("the oldest: %v after %v", err, time.Since(began))
		}
		_ = conns[1].SetReadDeadline(time.Now().Add(time.Second))
		if _, err := conns[1].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the next: %v", err)
		}
		h.Close()
		for i, c := range conns[2:] {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("%d: %v", i+2, err)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
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
		"long":              {upgradeRequest("h", "X: "+strings.Repeat("x", maxUpgrade)), 431},
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
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
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
