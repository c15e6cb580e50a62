package routing

import (
	"context"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// fragile is a call at which something panics. What recovers stands for the SIP
// proxy.
type fragile struct {
	*script
	onSend, onAnswer bool
}

func (f *fragile) recovered(g func()) {
	defer func() { _ = recover() }()
	g()
}

func (f *fragile) serve(ctx context.Context, r *Engine) {
	f.caller = ctx
	f.recovered(func() { r.Arrive(f) })
	patience.Ended("the call is served", f.beside.Wait)
}

func (f *fragile) Go(g func(context.Context)) {
	f.beside.Go(func() { f.recovered(func() { g(f.caller) }) })
}

// GaveUp panics where the journey asks it of a call that rang in vain.
func (f *fragile) GaveUp() bool {
	if f.onAnswer {
		f.onAnswer = false
		panic("as a test")
	}
	return f.script.GaveUp()
}

func (f *fragile) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	if f.onSend {
		panic("as a test")
	}
	f.recovered(func() { progress(180) })
	f.recovered(func() { done(invite.Outcome{Code: 486, Reason: "Busy Here"}) })
	return &halt{c: make(chan struct{})}
}

// deaf is an Announcer that panics at one message.
type deaf struct {
	Announcer
	at tlibpb.Message
}

func (d deaf) Announce(v Visit) {
	if v.Message == d.at {
		panic("as a test")
	}
	d.Announcer.Announce(v)
}

// TestRouting_APanicEndsTheCall: it is in no table any more, and its caller is
// free.
func TestRouting_APanicEndsTheCall(t *testing.T) {
	for name, c := range map[string]struct {
		in   *fragile
		far  bool // the DN is another node's
		deaf tlibpb.Message
	}{
		"when it is sent":                 {in: &fragile{script: &script{called: "1003"}, onSend: true}},
		"when it is sent to another node": {in: &fragile{script: &script{called: "1003"}, onSend: true}, far: true},
		"when it is answered":             {in: &fragile{script: &script{called: "1003"}, onAnswer: true}},
		"when it leaves by a trunk":       {in: &fragile{script: &script{called: "+15559"}, onSend: true}},
		"at a routing point":              {in: &fragile{script: &script{called: "9001"}}, deaf: tlibpb.Message_MESSAGE_EVENT_QUEUED},
		"when it leaves a routing point":  {in: &fragile{script: &script{called: "9001"}}, deaf: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t)
			x.r.announcer = deaf{Announcer: x.stage, at: c.deaf}
			x.table.Register("1004", dn.Registered)
			if c.far {
				x.says(lease("1003"))
			} else {
				x.table.Register("1003", dn.Registered)
			}
			c.in.origin = invite.Origin{DN: "1004"}
			c.in.serve(t.Context(), x.r)
			if n := x.calls.Counts().Own; n != 0 {
				t.Errorf("%d calls are left", n)
			}
			x.await("a free caller", func() bool { st, _ := x.table.Get("1004"); return !st.Busy })
			leftover.None(t, patience.Limit, x.r)
		})
	}
}
