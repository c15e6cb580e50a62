package sip

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestDrain_WhatANodeServesMeanwhile: carriers and balancers are sent away, the
// phones that are still here are served.
func TestDrain_WhatANodeServesMeanwhile(t *testing.T) {
	draining := new(atomic.Bool)
	w, s := callWorld(t, func(c *Config) { c.Draining = draining.Load }, "1001", "1002"), newScript(t)
	gw, a, b := w.gateway("9000", "+"), w.ua("udp", "1001"), w.ua("tcp", "1002")
	before, in := s.up(gw, b, "1002")
	draining.Store(true)

	node, phone, nobody := "sip:"+testRealm, uriTo("1002"), uriTo("1999")
	for name, c := range map[string]struct {
		phone *siptest.Phone
		to    string
		want  int
	}{
		"a carrier asks the node":               {gw.Phone, node, 503},
		"a carrier asks for a DN":               {gw.Phone, phone, 503},
		"a phone asks the node":                 {a.Phone, node, 503},
		"a phone asks for a DN":                 {a.Phone, phone, 200},
		"a phone on a connection asks":          {b.Phone, phone, 200},
		"a phone asks for nobody":               {a.Phone, nobody, 404},
		"a phone on a connection asks the node": {b.Phone, node, 503},
	} {
		res, err := c.phone.Do(context.Background(), siptest.Request{Method: "OPTIONS", URI: c.to, To: "<" + c.to + ">"})
		if err != nil || res.Code != c.want || (c.want == 503) != (res.Header("Retry-After") != "") {
			t.Errorf("%s: %+v, %v, want %d", name, res, err, c.want)
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
