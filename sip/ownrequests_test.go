package sip

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestProxy_WhatItSaysItselfIsWhole: the ACK and the BYE of a call that was
// answered when the caller had been told otherwise, and the ACK that comes again.
func TestProxy_WhatItSaysItselfIsWhole(t *testing.T) {
	onStage(t, func(s *stage, _ *world) {
		a, b := s.parties["a"], s.parties["b"]
		s.play("0 a new INVITE, 1 b 180, 2 a CANCEL, 2 b 200 CANCEL, 4 a ACK, 5 b 200")
		first := s.heard(b, "ACK")
		s.play("5 b 200 BYE, 6 b 200, 40")
		if again := s.heard(b, "ACK"); again != first || len(s.times("n1>b ACK")) != 2 {
			t.Errorf("the ACK comes again as\n%s, at first it was\n%s", again, first)
		}
		branches := map[string]bool{}
		for i, method := range []string{"INVITE", "ACK", "BYE"} {
			got := s.heard(b, method)
			branch := regexp.MustCompile(`branch=\S+`).FindString(got)
			branches[branch] = true
			want := fmt.Sprintf("%s sip:1002@%s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;%s\r\nMax-Forwards: 70\r\nFrom: <sip:9000@%s>;tag=pa\r\nTo: <sip:1002@%s>;tag=pb\r\nCall-ID: call1\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
				method, b.addr(), branch, testRealm, testRealm, a.cseq+max(0, i-1), method)
			if i > 0 && got != want {
				t.Errorf("it said\n%s, want\n%s", got, want)
			}
		}
		if len(branches) != 3 {
			t.Errorf("branches of three transactions: %v", branches)
		}
	})
}

// TestProxy_ASessionTimerIsOfCallsOnly: no other request gets a Session-Expires.
func TestProxy_ASessionTimerIsOfCallsOnly(t *testing.T) {
	onStage(t, func(s *stage, _ *world) {
		a, b, d := s.parties["a"], s.parties["b"], s.dialler()
		for method, want := range map[string]string{"INVITE": "1800", "MESSAGE": "", "REFER": "", "SUBSCRIBE": ""} {
			from := a
			if method != "INVITE" {
				from = d // a gateway makes calls only
			}
			from.caller, from.invited, from.routes, from.target, from.remote = true, "timed"+method, nil, uriTo("1002"), "<"+uriTo("1002")+">"
			if from.request(method, "Supported: timer"); from == d {
				s.prove(d, method, "Supported: timer")
			}
			synctest.Wait()
			if got := header(s.heard(b, method), "Session-Expires"); got != want {
				t.Errorf("%s: Session-Expires %q, want %q", method, got, want)
			}
			b.respond(200, method)
		}
	})
}

// TestCall_WhoGaveUpBeforeGoIsGone: its context is over from the start.
func TestCall_WhoGaveUpBeforeGoIsGone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		came := make(chan *proxy.Call, 1)
		s := newStage(t, 1, "udp", "udp", func(c *Config) { c.Calls = arrivals(came) })
		s.record()
		s.play("0 a new INVITE, 0 a CANCEL")
		c := <-came
		if !c.GaveUp() {
			t.Error("it did not give up")
		}
		over := make(chan error, 1)
		c.Go(func(ctx context.Context) { over <- ctx.Err() })
		if err := <-over; err == nil {
			t.Error("the context of a caller who gave up is not over")
		}
		s.play("1 a ACK, 40")
		s.want(`
			n1>a 200/CANCEL 0
			n1>a 487 0 0.5`)
	})
}

// arrivals is a Caller that hands calls on.
type arrivals chan *proxy.Call

func (a arrivals) Arrive(c invite.Call) { a <- c.(*proxy.Call) }

// TestProxy_EachAnswerHasTheSessionTimer that was asked for, also when two
// phones answer.
func TestProxy_EachAnswerHasTheSessionTimer(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		a := s.parties["a"]
		s.phone("d", "1002", "udp", "", w)
		a.caller, a.invited, a.target, a.remote = true, "c", uriTo("1002"), "<"+uriTo("1002")+">"
		a.request("INVITE", "Supported: timer")
		synctest.Wait()
		for _, who := range []string{"b", "d"} {
			s.parties[who].respond(200, "INVITE")
			synctest.Wait()
			res := s.heard(a, "answer INVITE")
			if header(res, "Session-Expires") != "1800;refresher=uac" || header(res, "Require") != "timer" || !strings.Contains(header(res, "To"), ";tag=p"+who) {
				t.Errorf("of %s it heard %q", who, res)
			}
			a.ack()
		}
		s.until(40 * time.Second)
	})
}
