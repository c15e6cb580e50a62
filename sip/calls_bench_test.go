package sip

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/location"
)

// BenchmarkCalls measures a call (INVITE, 180, 200, ACK, BYE, 200) that arrives
// from a trunk at one node for a phone of another. cpu-µs/call is what the
// process spends, both nodes, gateway and phone; that of the two ends alone is
// measured with BenchmarkCalls/ends, without nodes between, and what TLS between the
// nodes adds with BenchmarkCalls/sealed.
func BenchmarkCalls(b *testing.B) {
	b.Run("ends", func(b *testing.B) {
		gw, phone := newEnd(b, nil), newEnd(b, nil)
		go phone.answer()
		gw.calls(b, phone.addr(), "sip:1002@"+testRealm)
	})
	b.Run("nodes", func(b *testing.B) { benchNodes(b, newLines()) })
	b.Run("sealed", func(b *testing.B) {
		l := newLines()
		l.pair = sealedPair(b)
		benchNodes(b, l)
	})
}

// benchNodes makes calls between two nodes, over those lines.
func benchNodes(b *testing.B, between *lines) {
	n1, n2 := twoNodesBy(b, between, func(*Config) {})
	go drainOutcomes(b.Context(), n1)
	gw, phone := newEnd(b, nil), newEnd(b, nil)
	n1.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: gw.addr().String(), Prefix: "+"}})
	until(b, "the trunk is known", func() bool {
		n, _ := n1.server.proxy.Trunk(mustAddrPort(gw.addr().String()), location.UDP)
		return n != ""
	})
	l := &line{t: b, conn: phone.dialed(b, n2.server.UDPAddr())}
	if res := l.register(reg{dn: "1002", callID: "r", cseq: 1, headers: []string{"Contact: <sip:1002@" + phone.addr().String() + ">", "Expires: 3600"}}); res.code != 200 {
		b.Fatal(res)
	}
	l.conn.Close()
	phone = newEnd(b, phone.addr())
	go phone.answer()
	gw.calls(b, n1.server.UDPAddr(), "sip:1002@"+testRealm)
}

func drainOutcomes(ctx context.Context, w *world) {
	for {
		select {
		case <-w.outcomes:
		case <-ctx.Done():
			return
		}
	}
}

// end is a socket that calls or is called, as cheaply as can be.
type end struct{ conn *net.UDPConn }

func newEnd(b *testing.B, at net.Addr) *end {
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	if at != nil {
		local = at.(*net.UDPAddr)
	}
	c, err := net.ListenUDP("udp", local)
	if err != nil {
		b.Fatal(err)
	}
	_ = c.SetReadBuffer(4 << 20)
	b.Cleanup(func() { c.Close() })
	return &end{c}
}

func (e *end) addr() net.Addr { return e.conn.LocalAddr() }

// dialed is a socket at the same port, for one peer.
func (e *end) dialed(b *testing.B, to net.Addr) net.Conn {
	e.conn.Close()
	c, err := net.DialUDP("udp", e.addr().(*net.UDPAddr), to.(*net.UDPAddr))
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// answer rings, answers, and agrees to the end.
func (e *end) answer() {
	buf := make([]byte, 65536)
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m := buf[:n]
		switch {
		case bytes.HasPrefix(m, []byte("INVITE")):
			_, _ = e.conn.WriteToUDPAddrPort(respond(m, "180 Ringing", e.addr()), from)
			_, _ = e.conn.WriteToUDPAddrPort(respond(m, "200 OK", e.addr()), from)
		case bytes.HasPrefix(m, []byte("BYE")):
			_, _ = e.conn.WriteToUDPAddrPort(respond(m, "200 OK", e.addr()), from)
		}
	}
}

// respond copies what a response repeats.
func respond(m []byte, status string, contact net.Addr) []byte {
	out := append(make([]byte, 0, 1500), "SIP/2.0 "+status+"\r\n"...)
	for line := range bytes.SplitSeq(m, []byte("\r\n")) {
		for _, name := range []string{"Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:", "To:"} {
			if bytes.HasPrefix(line, []byte(name)) {
				out = append(out, line...)
				if name == "To:" && !bytes.Contains(line, []byte(";tag=")) {
					out = append(out, ";tag=b"...)
				}
				out = append(out, "\r\n"...)
			}
		}
	}
	return append(out, "Contact: <sip:1002@"+contact.String()+">\r\nContent-Length: 0\r\n\r\n"...)
}

// calls makes b.N calls, some at a time.
func (e *end) calls(b *testing.B, to net.Addr, uri string) {
	dest := to.(*net.UDPAddr).AddrPort()
	const window = 32
	buf, sent, done, answered := make([]byte, 65536), 0, 0, map[string]bool{}
	write := func(text string) { _, _ = e.conn.WriteToUDPAddrPort([]byte(text), dest) }
	head := func(method, uri, callID, toTag, routes string, cseq int) string {
		return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\n%sFrom: <sip:+49@gw>;tag=a\r\nTo: <sip:1002@%s>%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
			method, uri, e.addr(), callID, method, routes, testRealm, toTag, callID, cseq, method)
	}
	invite := func() {
		sent++
		write(head("INVITE", uri, fmt.Sprintf("c%d", sent), "", "", 1) + "Contact: <sip:+49@" + e.addr().String() + ">\r\nContent-Type: application/sdp\r\nContent-Length: 129\r\n\r\n" + benchSDP)
	}
	b.ResetTimer()
	before, start := cpu(), time.Now()
	for range min(window, b.N) {
		invite()
	}
	for done < b.N {
		_ = e.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := e.conn.Read(buf)
		if err != nil {
			b.Fatalf("%d of %d calls: %v", done, b.N, err)
		}
		m := string(buf[:n])
		if !strings.HasPrefix(m, "SIP/2.0 200") {
			if !strings.HasPrefix(m, "SIP/2.0 1") {
				b.Fatal(m)
			}
			continue
		}
		callID := between(m, "Call-ID: ", "\r\n")
		if strings.Contains(m, "CSeq: 2 BYE") {
			if done++; sent < b.N {
				invite()
			}
			continue
		}
		if answered[callID] {
			continue
		}
		answered[callID] = true
		routes, rest := "", m
		for {
			i := strings.Index(rest, "Record-Route: ")
			if i < 0 {
				break
			}
			routes, rest = "Route: "+between(rest, "Record-Route: ", "\r\n")+"\r\n"+routes, rest[i+14:]
		}
		target := between(m, "Contact: <", ">")
		write(head("ACK", target, callID, ";tag=b", routes, 1) + "Content-Length: 0\r\n\r\n")
		write(head("BYE", target, callID, ";tag=b", routes, 2) + "Content-Length: 0\r\n\r\n")
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/call")
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "calls/s")
}

const benchSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// cpu is the time that the process has spent, in user and system mode.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
