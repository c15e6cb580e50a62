package sip

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// TestDrain_WhatANodeServesMeanwhile: carriers and balancers are sent away, the
// phones that are still here are served.
func TestDrain_WhatANodeServesMeanwhile(t *testing.T) {
	draining := new(atomic.Bool)
	w, s := callWorld(t, func(c *Config) { c.Draining = draining.Load }, "1001", "1002"), newScript(t)
	gw, a, b := w.gateway("9000", "+"), w.ua("udp", "1001"), w.ua("tcp", "1002")
	before, in := s.up(gw, b, "1002")
	draining.Store(true)

	for _, to := range []string{"sip:" + testRealm, uriTo("1002")} {
		res := w.dial("udp").ask(fmt.Sprintf("OPTIONS %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKo%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:x@y>;tag=1\r\nTo: <%s>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", to, len(to), to))
		if res.code != 503 || res.get("Retry-After") == "" {
			t.Errorf("OPTIONS %s: %d %s", to, res.code, res.reason)
		}
	}
	if res := s.await(s.place(gw, "1001"), 503); res.Header("Retry-After") == "" {
		t.Error("the carrier is not told when to come back")
	}
	// What is up goes on, from a trunk too.
	s.do(before, "INVITE", 200)
	s.ok(before.Ack())
	s.expect(in, "ACK")
	s.do(before, "BYE", 200)
	s.expect(in, "BYE")
	// So do calls of those who are still here, to phones and out.
	out, in := s.up(a, b, "1002")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
	out, in = s.up(a, gw, "9000")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
	// Who leaves may.
	must(t, 503)(a.Register(context.Background(), time.Hour))
	must(t, 200)(a.Register(context.Background(), 0))
	if st := w.state("1001"); st.State != dn.OOS || st.Reason != dn.Unregistered {
		t.Errorf("%+v", st)
	}
	draining.Store(false)
	out, in = s.up(gw, b, "1002")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
}
