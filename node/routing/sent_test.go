package routing

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// probe is a call that notes how it is sent.
type probe struct {
	*script
	sent  []invite.Target
	codes []int // that are told of each try before its outcome
}

func (p *probe) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	t.Tried = nil
	p.sent = append(p.sent, t)
	for _, c := range p.codes {
		progress(c)
	}
	done(overAtOnce())
	return &halt{c: make(chan struct{})}
}

// TestRouting_HowACallIsSent: to whom, for how long an agent's phone may ring, and which
// number it was that stands for others.
func TestRouting_HowACallIsSent(t *testing.T) {
	const external = "+15551234567"
	for _, c := range []struct {
		called  string
		far     bool
		routers Route
		want    invite.Target
	}{
		{"1003", false, Route{}, invite.Target{Deliver: "1003"}},
		{"1003", true, Route{}, invite.Target{DN: "1003", Node: "b"}},
		{"2001", false, Route{}, invite.Target{Number: external, Trunk: "gw3", Forwarded: "2001"}},
		{"9001", false, Route{DN: "1003"}, invite.Target{Deliver: "1003", Forwarded: "9001", NoAnswer: configpb.DefaultRingTimeout}},
		{"9001", false, Route{Group: "sales"}, invite.Target{Deliver: "1003", Forwarded: "9001", NoAnswer: configpb.DefaultRingTimeout}},
		{"9001", false, Route{DN: "2001"}, invite.Target{Number: external, Trunk: "gw3", Forwarded: "9001", NoAnswer: configpb.DefaultRingTimeout}},
		{"9001", false, Route{External: "+15559"}, invite.Target{Number: "+15559", Trunk: "gw3", Forwarded: "9001"}},
	} {
		x := newExchange(t)
		x.routers.Store(true)
		x.table.Register("2001", dn.Registered)
		if c.far {
			x.says(lease("1003"))
		} else {
			x.table.Register("1003", dn.Registered)
		}
		p := &probe{script: &script{called: c.called, origin: trunk, caller: t.Context()}}
		x.r.Arrive(p)
		if c.called == "9001" {
			if err := x.r.RouteCall(string(patience.Receive(t, "a router is asked", x.asked)), c.routers); err != nil {
				t.Fatal(err)
			}
		}
		patience.Ended("the call is served", p.beside.Wait)
		if len(p.sent) == 1 { // of a call that rings or is over already
			c.want.Call, c.want.Of = p.sent[0].Call, "a"
		}
		if len(p.sent) != 1 || !call.ID(c.want.Call).Valid() || !reflect.DeepEqual(p.sent[0], c.want) {
			t.Errorf("%s by %+v: sent %+v, want %+v", c.called, c.routers, p.sent, c.want)
		}
		if n := len(x.r.rings.at); n != 0 {
			t.Errorf("%s: %d tries are watched still", c.called, n)
		}
	}
}

// TestRouting_RingsWhenThePhoneDoes: 100 says nothing of it, and rings come once.
func TestRouting_RingsWhenThePhoneDoes(t *testing.T) {
	for _, c := range []struct {
		codes []int
		want  []string
	}{
		{[]int{100}, nil},
		{[]int{101}, []string{"RINGING 1003 +15550001"}},
		{[]int{100, 180, 183, 180}, []string{"RINGING 1003 +15550001"}},
	} {
		x := newExchange(t)
		x.table.Register("1003", dn.Registered)
		var told []string
		p := &stopper{probe: &probe{script: &script{called: "1003", origin: trunk, caller: t.Context()}, codes: c.codes}, then: func() { told = x.stage.heard(t.Context()) }}
		x.r.Arrive(p)
		if !slices.Equal(told, c.want) || p.rejected != 487 {
			t.Errorf("%v: told %q, want %q; answered %d", c.codes, told, c.want, p.rejected)
		}
	}
}

// stopper is a probe whose tries end in vain, after then was called.
type stopper struct {
	*probe
	then func()
}

func (s *stopper) Send(_ invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	for _, c := range s.codes {
		progress(c)
	}
	s.then()
	done(invite.Outcome{Code: 487})
	return &halt{c: make(chan struct{})}
}

// TestDial_EndsWithItsContext: what is under way is stopped, and what was about to
// be sent too.
func TestDial_EndsWithItsContext(t *testing.T) {
	first := &halt{c: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	var sign *stopSign
	out := await(ctx, func(s *stopSign, done func(invite.Outcome)) {
		sign = s
		s.next(first)
		cancel()
		go func() {
			select {
			case <-first.c:
				done(invite.Outcome{Code: 487})
			case <-time.After(patience.Limit):
				done(invite.Outcome{})
			}
		}()
	})
	if out.Code != 487 || !sign.isUp() {
		t.Errorf("%+v: what was under way is not stopped", out)
	}
	late := &halt{c: make(chan struct{})}
	sign.next(late)
	select {
	case <-late.c:
	default:
		t.Error("what came late is not stopped")
	}
	(&stopSign{}).stop() // nothing is under way
}

// TestRouting_AnAnswerAsTheCallerGivesUp: the call was up, and nobody abandoned it.
func TestRouting_AnAnswerAsTheCallerGivesUp(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := &script{called: "1003", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{"1003": overAtOnce()}}
	in.serve(ctx, x.r)
	x.tells("RINGING 1003 1004", "ESTABLISHED 1003 1004", "ESTABLISHED 1004 1003", "RELEASED 1004 1003", "RELEASED 1003 1004")
}
