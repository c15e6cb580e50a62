package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestParseIncoming(t *testing.T) {
	head := "\r\nVia: SIP/2.0/UDP 127.0.0.1\r\nCall-ID: 17-gw.5\r\nCSeq: 1 INVITE\r\n\r\n"
	for _, c := range []struct {
		text   string
		method string
		code   int
		ok     bool
	}{
		{"INVITE sip:1@x SIP/2.0" + head, "INVITE", 0, true},
		{"SIP/2.0 180 Ringing" + head, "", 180, true},
		{"SIP/2.0 18", "", 0, false},
		{"SIP/2.0 x", "", 0, false},
		{"INVITE sip:1@x SIP/2.0" + strings.Replace(head, "gw.5", "gw.6", 1), "", 0, false},
		{"INVITE sip:1@x SIP/2.0" + strings.Replace(head, "17-", "", 1), "", 0, false},
		{"", "", 0, false},
	} {
		m, ok := parseIncoming([]byte(c.text), "gw.5")
		if ok != c.ok || ok && (m.method != c.method || m.code != c.code || m.call != 17 || !m.is("INVITE") || m.is("BYE")) {
			t.Errorf("%q: %+v %v", c.text, m, ok)
		}
	}
}

func TestDialogOf_TakesTheRouteSetBackwards(t *testing.T) {
	m, _ := parseIncoming([]byte("SIP/2.0 200 OK\r\nVia: v\r\nRecord-Route: <sip:b;lr>, <sip:a2;lr>\r\nRecord-Route: <sip:a;lr>\r\n"+
		"To: <sip:1@x>;tag=p\r\nCall-ID: 1-r\r\nCSeq: 1 INVITE\r\nContact: <sip:phone@192.0.2.1:5062>;q=1\r\n\r\n"), "r")
	d := dialogOf(&m)
	if got := fmt.Sprint(d.routes); got != "[<sip:a;lr> <sip:a2;lr> <sip:b;lr>]" || d.target != "sip:phone@192.0.2.1:5062" || d.to != "<sip:1@x>;tag=p" {
		t.Errorf("%+v", d)
	}
}

// between passes what a gateway sends to the phones, and their answers back, but
// drops every drop-th datagram; every refuse-th call is answered 503.
func between(t *testing.T, phones netip.AddrPort, drop, refuse int) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		var caller netip.AddrPort
		b := make([]byte, 8192)
		for i := 1; ; i++ {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if drop > 0 && i%drop == 0 {
				continue
			}
			to := phones
			if from == phones {
				to = caller
			} else {
				caller = from
				var call int
				_, _ = fmt.Sscanf(string(header(b[:n], "\r\nCall-ID:")), "%d-", &call)
				if refuse > 0 && call%refuse == 0 {
					if bytes.HasPrefix(b[:n], []byte("INVITE")) {
						m := incoming{raw: b[:n], method: "BYE", cseq: header(b[:n], "\r\nCSeq:")} // without a Contact
						answer := answerTo(&m, "503 Service Unavailable\r\nRetry-After: 5", "", "")
						_, _ = conn.WriteToUDPAddrPort(answer, from)
					}
					continue
				}
			}
			_, _ = conn.WriteToUDPAddrPort(b[:n], to)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func testGateway(t *testing.T, to netip.AddrPort) *gateway {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	g := gatewayOn(conn, to, "bench.test", "t")
	g.hold = 5 * time.Millisecond
	t.Cleanup(g.close)
	return g
}

func TestGateway_PlacesCallsThatPhonesTake(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range []struct{ drop, refuse, done, refused int }{{0, 0, 60, 0}, {0, 3, 40, 20}, {29, 0, 60, 0}} {
		f := testFleet(t, netip.AddrPort{}, 1)
		g := testGateway(t, between(t, f.conn.LocalAddr().(*net.UDPAddr).AddrPort(), c.drop, c.refuse))
		phones := f.answer(g.run)
		over, stop := context.WithCancel(ctx)
		go repeat(over, []*answering{phones})
		var asked atomic.Int64
		err := g.load(ctx, 3, 60, 1000, func(int) string { asked.Add(1); return "2000" })
		stop()
		r := g.take()
		if r.resent > 0 && c.refuse > 0 { // by a busy machine, and who is refused is another one
			c.done, c.refused = r.placed-r.refused, r.refused
		}
		if err != nil || r.done != c.done || r.refused != c.refused || r.placed != 60 || asked.Load() != 60 || r.resent == 0 && c.drop > 0 {
			t.Errorf("%+v: %+v, %v", c, r, err)
		}
		if _, ok := phones.arrived(4); !ok {
			t.Errorf("%+v: nothing is known of call 4", c)
		}
	}
}
