package sip

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

func TestFlow_APhoneThatNeverReads(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.stuck = time.Second })
	w.run()
	l := w.dial("tcp")
	_ = l.conn.(*net.TCPConn).SetReadBuffer(4096)
	one := func(i int) string {
		return fmt.Sprintf("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKn%d\r\nFrom: <sip:a@b>;tag=%s\r\nTo: <sip:b@c>\r\nCall-ID: n%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			i, strings.Repeat("a", 2000), i)
	}
	if res := l.ask(one(0)); res.code != 200 {
		t.Fatal(res)
	}
	f := w.server.flows.Get(localOf(l))
	_ = f.Conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn).SetWriteBuffer(4096)
	before := runtime.NumGoroutine()
	go func() {
		for i := 1; ; i++ {
			if _, err := l.conn.Write([]byte(one(i))); err != nil {
				return
			}
		}
	}()
	unanswered, goroutines := 0, 0
	until(t, "the connection ends", func() bool {
		unanswered, goroutines = max(unanswered, w.server.Held()["sip_unanswered"]), max(goroutines, runtime.NumGoroutine())
		return w.server.flows.Len() == 0
	})
	if unanswered > wire.MaxUnanswered || goroutines > before+wire.MaxUnanswered+20 {
		t.Errorf("%d requests without an answer, %d goroutines, before %d", unanswered, goroutines, before)
	}
}

// TestFlow_AllAnswersOfOneRead sends more in one piece than may be unanswered.
func TestFlow_AllAnswersOfOneRead(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	l := w.dial("tcp")
	const n = 5 * wire.MaxUnanswered
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKr%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: r%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", i, i)
	}
	l.send(text.String())
	for i := range n {
		if res := l.final(); res == nil || res.code != 200 {
			t.Fatal(i, res)
		}
	}
}

// localOf is the address of the client, as the server knows the connection by.
func localOf(l *line) wire.FlowKey {
	return wire.FlowKey{Transport: location.TCP, Peer: l.conn.LocalAddr().(*net.TCPAddr).AddrPort()}
}

// TestFlow_AKeepAliveInPieces: a double CRLF is answered wherever the network cuts
// it, and one on either side of a request is none. A request in front of a piece
// has its answer once the piece was read.
func TestFlow_AKeepAliveInPieces(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	l := w.dial("tcp")
	const ping = "\r\n\r\n"
	ask := func(i int, behind string) {
		t.Helper()
		res := l.ask(fmt.Sprintf("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKk%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: k%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n%s", i, i, behind))
		if res == nil || res.code != 200 || len(l.rest) > 0 {
			t.Fatalf("request %d: %v, and %q", i, res, l.rest)
		}
	}
	for cut := 1; cut < len(ping); cut++ {
		ask(cut, ping[:cut])
		l.send(ping[cut:])
		pong := make([]byte, 2)
		_ = l.conn.SetReadDeadline(time.Now().Add(patience.Limit))
		if _, err := io.ReadFull(l.conn, pong); err != nil || string(pong) != "\r\n" {
			t.Errorf("cut behind %d bytes: no pong: %q %v", cut, pong, err)
		}
	}
	ask(10, "\r\n")
	ask(11, "\r\n")
	ask(12, "")
}
