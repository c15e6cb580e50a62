package sip

import (
	"errors"
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

// TestLarge_AConnectionHearsAndGoesOn: who sends too much over a connection hears 513, and
// what it sends next is served, as far as that can be found.
func TestLarge_AConnectionHearsAndGoesOn(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	options := func(id, lines string, length int) string {
		return "OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK" + id + "\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\n" +
			lines + "Content-Length: " + strconv.Itoa(length) + "\r\n\r\n"
	}
	response := "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKnone\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: none\r\nCSeq: 1 OPTIONS\r\nContent-Length: 70000\r\n\r\n"
	body := func(n int) string { return strings.Repeat("x", n) }
	const limit = wire.MaxStreamed
	for _, c := range []struct {
		name  string
		sent  []string // with waits between
		want  string   // the answers
		after bool     // it goes on
	}{
		{"a byte too much", []string{options("large", "", limit) + body(limit)}, "513 large", true},
		{"a megabyte", []string{options("large", "", 1<<20) + body(1<<20)}, "513 large", true},
		{"in pieces", []string{options("large", "", 66_000)[:100], options("large", "", 66_000)[100:], body(30_000), body(36_000)}, "513 large", true},
		{"another one behind it", []string{options("large", "", 66_000) + body(66_000) + options("next", "", 0)}, "513 large, 200 next", true},
		{"two of them", []string{options("large", "", 66_000) + body(66_000) + options("larger", "", 99_000) + body(99_000)}, "513 large, 513 larger", true},
		{"a response", []string{response + body(70_000)}, "", true},
		{"headers without an end", []string{strings.TrimSuffix(options("large", strings.Repeat("X: "+body(1000)+"\r\n", 70), 0), "\r\n")}, "513 large", false},
		{"more than is read past", []string{options("large", "", 1<<30)}, "513 large", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := w.dial("tcp")
			var got []string
			for _, text := range c.sent {
				l.send(text)
			}
			for range strings.Split(c.want, ", ") {
				if c.want == "" {
					break
				}
				if res := l.receive(patience.Limit); res != nil {
					got = append(got, fmt.Sprint(res.code, " ", res.get("Call-ID")))
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("answered %q, want %s", got, c.want)
			}
			if !c.after {
				_ = l.conn.SetReadDeadline(time.Now().Add(patience.Limit))
				if n, err := l.conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("then %d more, %v", n, err)
				}
				return
			}
			last := strings.ReplaceAll(c.name, " ", "") // another transaction in each case
			if res := l.ask(options(last, "", 0)); res.code != 200 || res.get("Call-ID") != last {
				t.Errorf("the next request is answered %d", res.code)
			}
		})
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
