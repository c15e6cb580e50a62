package sip

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestCall_WhatComesTooLate does nothing: only the first final answer counts, and
// a call that has one, or whose caller gave up, goes nowhere any more.
func TestCall_WhatComesTooLate(t *testing.T) {
	to1002 := func(c *proxy.Call) (*proxy.Attempt, chan proxy.Outcome) {
		got := make(chan proxy.Outcome, 1)
		return c.Start(invite.Target{Deliver: "1002"}, nil, func(o proxy.Outcome) { got <- o }), got
	}
	for _, x := range []struct {
		name, begin string
		do          func(s *stage, c *proxy.Call)
		end, want   string
	}{
		{"behind an answer", "0 a new INVITE", func(_ *stage, c *proxy.Call) {
			c.Reject(486, "Busy Here")
			c.Reject(480, "Temporarily Unavailable")
			c.Ring()
			if _, got := to1002(c); (<-got).Code != 487 {
				t.Error("it is sent on")
			}
		}, "0 a ACK, 100", `
			n1>a 486 0`},
		{"behind a CANCEL", "0 a new INVITE, 0 a CANCEL", func(_ *stage, c *proxy.Call) {
			if _, got := to1002(c); (<-got).Code != 487 {
				t.Error("it is sent on")
			}
			c.Reject(480, "Temporarily Unavailable")
		}, "0 a ACK, 100", `
			n1>a 200/CANCEL 0
			n1>a 487 0`},
		{"an attempt that is stopped twice, and another one", "0 a new INVITE", func(s *stage, c *proxy.Call) {
			a, got := to1002(c)
			s.play("0.1 b 180")
			a.Stop()
			a.Stop()
			s.play("0.1 b 200 CANCEL, 0.1 b 487")
			a.Stop()
			if o := <-got; o.Code != 487 || o.Answered {
				t.Errorf("%+v", o)
			}
			to1002(c)
			s.play("0.2 b 200")
			a.Stop()
		}, "0.2 a ACK, 50", `
			n1>b INVITE 0 0.1
			n1>a 180 0.1
			n1>b ACK 0.1 0.2
			n1>b CANCEL 0.1
			n1>a 200 0.2`},
	} {
		t.Run(x.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				came := make(chan *proxy.Call, 1)
				s := newStage(t, 1, "udp", "udp", func(c *Config) { c.Calls = arrivals(came) })
				s.record()
				s.play(x.begin)
				x.do(s, <-came)
				synctest.Wait()
				s.play(x.end)
				s.want(x.want)
				s.rest()
				if st := s.nodes[0].server.Stats(); st.Panics != 0 {
					t.Errorf("%d panics", st.Panics)
				}
			})
		})
	}
}

// TestSchedule_WhoCalledMayBeSilent: a connection over which a phone has proved
// who it is stays, without a registration; one of a stranger ends.
func TestSchedule_WhoCalledMayBeSilent(t *testing.T) {
	for password, want := range map[string]int{"pw1001": 1, "wrong": 0} {
		onStage(t, func(s *stage, w *world) {
			e := s.party("e", "1001", "tcp", w)
			e.anew("INVITE", "c", "4711")
			synctest.Wait()
			challenge := header(s.heard(e, "answer INVITE"), "Proxy-Authenticate")
			e.hop("ACK")
			e.remote = "<" + uriTo("4711") + ">"
			e.request("INVITE", "Proxy-Authorization: "+authorizeFor("INVITE", challenge, "1001", password, 1))
			synctest.Wait()
			if code := word(s.heard(e, "answer INVITE")); code != fmt.Sprint(map[int]int{1: 404, 0: 407}[want]) {
				t.Fatalf("%s: %s", password, code)
			}
			e.hop("ACK")
			s.until(time.Hour)
			if n := w.server.Stats().Connections; n != want {
				t.Errorf("with the password %s %d connections are open, want %d", password, n, want)
			}
		})
	}
}
