package routing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// crowd is an exchange whose queues have one place.
func crowd(t *testing.T) *exchange {
	x := newExchange(t)
	x.r.queues.places = 1
	return x
}

// TestHeld_NothingIsLeftOfAnyVisit: each way for a call to leave a routing point
// gives back its place in the queue, what it reserved, and all else.
func TestHeld_NothingIsLeftOfAnyVisit(t *testing.T) {
	answers := func(out invite.Outcome) map[string]invite.Outcome { return map[string]invite.Outcome{"1003": out} }
	for name, visit := range map[string]struct {
		in      *script
		caller  time.Duration // how long it waits; 0 for ever
		free    bool          // the agent is there
		outcome int
	}{
		"an agent takes it":          {&script{answers: answers(overAtOnce())}, 0, true, 0},
		"the agent is busy":          {&script{answers: answers(invite.Outcome{Code: 486})}, 59 * time.Second, true, 487},
		"the agent declines":         {&script{answers: answers(invite.Outcome{Code: 603})}, 59 * time.Second, true, 487},
		"the agent is not reached":   {&script{answers: answers(invite.Outcome{Code: 480, Retry: true})}, 59 * time.Second, true, 487},
		"it gives up in the queue":   {&script{}, 20 * time.Second, false, 487},
		"it gives up while it rings": {&script{}, 3 * time.Second, true, 487},
		"nobody comes":               {&script{}, 0, false, 480},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := crowd(t)
				if visit.free {
					x.table.Register("1003", dn.Registered)
				}
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					if visit.caller > 0 {
						ctx, cancel = context.WithTimeout(t.Context(), visit.caller)
					}
					in := &script{called: "9001", origin: trunk, answers: visit.in.answers, caller: ctx}
					x.r.Arrive(in)
					in.beside.Wait() // however long that is in a bubble
					cancel()
					if in.rejected != visit.outcome {
						t.Errorf("%d, want %d", in.rejected, visit.outcome)
					}
					leftover.None(t, time.Minute, x.r, leftover.But(x.calls, "call_readers"), x.agents)
				}
			})
		})
	}
}

// TestHeld_ACallWithoutAPlaceIsRefused, and those that have one keep it.
func TestHeld_ACallWithoutAPlaceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := crowd(t)
		ctx, cancel := context.WithCancel(t.Context())
		first := &script{called: "9001", origin: trunk}
		go first.serve(ctx, x.r)
		<-time.After(2 * time.Second)
		second := &script{called: "9001", origin: trunk}
		second.serve(t.Context(), x.r)
		if second.rejected != 503 {
			t.Error(second.rejected)
		}
		cancel()
		leftover.None(t, time.Minute, x.r)
	})
}
