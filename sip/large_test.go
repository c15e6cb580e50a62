package sip

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestLarge_MessagesPassWhole, by whatever way the phones came and across nodes, and what
// is too long for the way is said so.
func TestLarge_MessagesPassWhole(t *testing.T) {
	for i, x := range []struct {
		from, to string
		bytes    int // beside some hundred of the rest
		want     int
	}{
		{"tcp", "tcp", 5_000, 200}, {"udp", "tcp", 17_000, 200}, {"udp", "udp", 60_000, 200}, {"tcp", "udp", 60_000, 200}, {"udp", "tcp", 64_000, 200},
		{"tcp", "tcp", 64_750, 200}, {"tcp", "udp", 64_750, 513},
	} {
		t.Run(fmt.Sprintf("%d bytes, %s to %s", x.bytes, x.from, x.to), func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s := newScript(t)
			a, b := n1.ua(x.from, "1001"), n2.ua(x.to, "1002")
			long := "X-Long: " + strings.Repeat(string(rune('a'+i)), x.bytes)
			out := s.place(a, "1002", long)
			if x.want != 200 {
				s.await(out, x.want)
				return
			}
			in := s.take(b)
			if got := in.Invite.Header("X-Long"); "X-Long: "+got != long {
				t.Errorf("%d characters arrived", len(got))
			}
			s.ok(in.Answer())
			s.await(out, 200)
			s.ok(out.Ack())
			s.expect(in, "ACK")
			s.do(out, "BYE", 200)
		})
	}
}

// TestLarge_AConnectionHears 513 before it is closed.
func TestLarge_AConnectionHears(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	l := w.dial("tcp")
	body := strings.Repeat("x", wire.MaxStreamed)
	if res := l.ask("OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKlarge\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: large\r\nCSeq: 1 OPTIONS\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body); res.code != 513 {
		t.Errorf("%d %s", res.code, res.reason)
	}
}

// TestLarge_AWebSocketHears 513 before it is closed, in however many frames and pieces the
// message comes.
func TestLarge_AWebSocketHears(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.run()
	text := "OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/WS h.invalid;branch=z9hG4bKlarge\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: large\r\nCSeq: 1 OPTIONS\r\n\r\n" +
		strings.Repeat("x", wire.MaxStreamed)
	for name, frames := range map[string]string{
		"one frame":    siptest.ClientFrame(0x81, text),
		"head divided": siptest.ClientFrame(1, text[:50]) + siptest.ClientFrame(0x80, text[50:]),
		"head before":  siptest.ClientFrame(1, text[:1000]) + siptest.ClientFrame(0x80, text[1000:]),
	} {
		t.Run(name, func(t *testing.T) {
			s := w.dial("ws").conn.(*webSocket)
			if _, err := io.WriteString(s.Conn, frames); err != nil {
				t.Fatal(err)
			}
			_ = s.SetReadDeadline(time.Now().Add(patience.Limit))
			if _, answer, err := siptest.ServerFrame(s.r); err != nil || !strings.HasPrefix(string(answer), "SIP/2.0 513 ") {
				t.Errorf("answered %.40q, %v", answer, err)
			}
			s.wants(t, closed(wire.WSTooLarge))
		})
	}
}
