package sip

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// laborious is a Caller at which calls to a number take the node's time.
type laborious struct {
	proxy.Caller
	number string
	takes  time.Duration
}

func (l laborious) Arrive(c invite.Call) {
	for until := time.Now().Add(l.takes); c.Called() == l.number && time.Now().Before(until); {
	}
	l.Caller.Arrive(c)
}

// TestOverload_WhatIsUpGoesOn while more calls come than are served: who calls anew hears
// 503 and when to try again; a call that is up goes on and ends, registrations are
// refreshed. When it is over, calls begin again.
func TestOverload_WhatIsUpGoesOn(t *testing.T) {
	w := callWorld(t, func(c *Config) {
		c.hands = 1 // a processor is left for who floods
		c.Calls = laborious{c.Calls, "1999", 2 * time.Millisecond}
	}, "1001", "1002")
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "127.0.0.2:5060", Prefix: "+"}})
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience.Limit)
	defer cancel()
	s := &script{t, ctx}
	ua := func(number string) *siptest.UA {
		u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: w.server.UDPAddr().String(), Local: "127.0.0.3", Repeats: true})
		s.ok(err)
		t.Cleanup(u.Close)
		return u
	}
	refreshed := func(u *siptest.UA) {
		t.Helper()
		res, err := u.Register(s.ctx, time.Hour)
		if s.ok(err); res.Code != 200 {
			t.Fatalf("%d %s", res.Code, res.Reason)
		}
	}
	a, b := ua("1001"), ua("1002")
	refreshed(a)
	refreshed(b)
	out, in := s.up(a, b, "1002")
	_, stop := w.flood("127.0.0.2", 3, func(i int) string { // six times what is served
		return fmt.Sprintf("INVITE sip:1999@%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;rport;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:+1@127.0.0.2>;tag=a\r\nTo: <sip:1999@%[1]s>\r\n"+
			"Call-ID: crowd%[2]d\r\nCSeq: 1 INVITE\r\nContact: <sip:+1@127.0.0.2>\r\nContent-Length: 0\r\n\r\n", testRealm, i)
	})
	patience.Until(t, "a new call gives way, and the node says that it is overloaded", func() bool {
		st := w.server.Stats()
		return st.Late > 0 && st.Overloaded == 1
	})
	g := w.guesserAt("udp", "127.0.0.3")
	patience.Until(t, "a caller of another source hears when to try again", func() bool {
		g.send(g.request("INVITE", "1001", ""))
		res := g.receive(time.Second)
		return res != nil && res.code == 503 && res.get("Retry-After") != ""
	})
	refreshed(a)
	refreshed(b)
	s.do(in, "INFO", 200)
	s.do(out, "BYE", 200)
	stop()
	patience.Until(t, "it is over", func() bool {
		refreshed(a) // it is read, and was not late
		return w.server.Stats().Overloaded == 0
	})
	out, _ = s.up(a, b, "1002")
	s.do(out, "BYE", 200)
}

// TestOverload_ByAConnection: a gateway that sends more by its connection than is served hears
// 503 for what has waited there; the phones' connections are served as ever.
func TestOverload_ByAConnection(t *testing.T) {
	w := callWorld(t, func(c *Config) { c.Calls = laborious{c.Calls, "1999", 2 * time.Millisecond} }, "1001", "1002")
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "127.0.0.2:5060", Prefix: "+"}})
	s := newScript(t)
	a, b := w.ua("tcp", "1001"), w.ua("tcp", "1002")
	out, in := s.up(a, b, "1002")
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}).Dial("tcp", w.server.Addr(location.TCP).String())
	s.ok(err)
	var all sync.WaitGroup
	defer all.Wait()
	defer c.Close()
	all.Go(func() { _, _ = io.Copy(io.Discard, c) })
	all.Go(func() {
		for i, err := 0, error(nil); err == nil; i++ {
			_, err = fmt.Fprintf(c, "INVITE sip:1999@%s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2;rport;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <sip:+1@127.0.0.2>;tag=a\r\nTo: <sip:1999@%[1]s>\r\n"+
				"Call-ID: crowd%[2]d\r\nCSeq: 1 INVITE\r\nContact: <sip:+1@127.0.0.2>\r\nContent-Length: 0\r\n\r\n", testRealm, i)
		}
	})
	patience.Until(t, "a new call gives way, and the node says that it is overloaded", func() bool {
		st := w.server.Stats()
		return st.Late > 0 && st.Overloaded == 1
	})
	res, err := a.Register(s.ctx, time.Hour)
	if s.ok(err); res.Code != 200 {
		t.Errorf("%d %s", res.Code, res.Reason)
	}
	s.do(in, "INFO", 200)
	s.do(out, "BYE", 200)
	c.Close()
	patience.Until(t, "it is over", func() bool {
		_, err := a.Register(s.ctx, time.Hour)
		s.ok(err)
		return w.server.Stats().Overloaded == 0
	})
	out, _ = s.up(a, b, "1002") // before, it may have waited too on a machine that is busy
	s.do(out, "BYE", 200)
}
