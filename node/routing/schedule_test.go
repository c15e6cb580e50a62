package routing

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// timed is a call that notes when it was sent where, and for how long it may ring.
type timed struct {
	*script
	began    time.Time
	at, ring []time.Duration
	holds    func() // during each try
}

func (c *timed) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	c.at, c.ring = append(c.at, time.Since(c.began)), append(c.ring, t.NoAnswer)
	if c.holds != nil {
		c.holds()
	}
	return c.script.Send(t, progress, done)
}

// serve is script's, and returns how long the call was served.
func (c *timed) serve(ctx context.Context, r *Engine) time.Duration {
	c.caller, c.began = ctx, time.Now()
	r.Arrive(c)
	c.beside.Wait()
	return time.Since(c.began)
}

// atRoutingPoint serves a call there with the agent 1003.
func atRoutingPoint(t *testing.T, c *timed, change func(x *exchange)) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		if change != nil {
			change(x)
		}
		took = c.serve(t.Context(), x.r)
	})
	return took
}

func TestSchedule_ACallWaitsTenMinutesAtARoutingPoint(t *testing.T) {
	c := &timed{script: &script{called: "9001", origin: trunk}}
	if took := atRoutingPoint(t, c, nil); took != 10*time.Minute || c.rejected != 480 {
		t.Errorf("answered %d after %v", c.rejected, took)
	}
}

// TestSchedule_AnAgentIsTriedAgainAfterHalfAMinute, as long as the call may wait, and
// rings for 15 s, reserved for 4 minutes.
func TestSchedule_AnAgentIsTriedAgainAfterHalfAMinute(t *testing.T) {
	c := &timed{script: &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": {Code: 408}}}}
	took := atRoutingPoint(t, c, func(x *exchange) {
		x.table.Register("1003", dn.Registered)
		c.holds = func() {
			r, _ := x.table.Own("1003")
			if left := time.Duration(r.Reserved.Left); r.Reserved.Holder == "" || left != 4*time.Minute {
				x.office.t.Errorf("reserved for %q, %v", r.Reserved.Holder, left)
			}
		}
	})
	for i, at := range c.at {
		if at != time.Duration(i)*30*time.Second || c.ring[i] != 15*time.Second {
			t.Errorf("try %d after %v rings for %v", i, at, c.ring[i])
		}
	}
	if len(c.at) < 20 || took != 10*time.Minute || c.rejected == 0 {
		t.Errorf("%d tries, answered %d after %v", len(c.at), c.rejected, took)
	}
}

// TestSchedule_ARouterHasItsTime: what the routing point says, or 5 s.
func TestSchedule_ARouterHasItsTime(t *testing.T) {
	for ms, want := range map[uint32]time.Duration{0: 5 * time.Second, 1: time.Millisecond, 2500: 2500 * time.Millisecond} {
		c := &timed{script: &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": overAtOnce()}}}
		atRoutingPoint(t, c, func(x *exchange) {
			x.routers.Store(true)
			x.table.Register("1003", dn.Registered)
			x.write(putDN(&configpb.DN{Number: "9001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT,
				RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", TimeoutMs: ms}}))
		})
		if !slices.Equal(c.at, []time.Duration{want}) {
			t.Errorf("timeout_ms %d: the built-in strategy after %v", ms, c.at)
		}
	}
}

// TestSchedule_AnAgentWhoBecomesFreeIsTakenAtOnce, not at the next look.
func TestSchedule_AnAgentWhoBecomesFreeIsTakenAtOnce(t *testing.T) {
	c := &timed{script: &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": overAtOnce()}}}
	atRoutingPoint(t, c, func(x *exchange) {
		time.AfterFunc(7*time.Second, func() { x.table.Register("1003", dn.Registered) })
	})
	if !slices.Equal(c.at, []time.Duration{7 * time.Second}) {
		t.Errorf("sent after %v", c.at)
	}
}

// TestSettings: what callers and agents feel.
func TestSettings(t *testing.T) {
	for what, d := range map[string][2]time.Duration{
		"an agent's phone rings":                        {configpb.DefaultRingTimeout, 15 * time.Second},
		"a reservation outlives a ringing that is lost": {holdTime, 4 * time.Minute},
		"the first in a queue looks again":              {lookAgain, 5 * time.Second},
		"a router has":                                  {defaultPatience, 5 * time.Second},
	} {
		if d[0] != d[1] {
			t.Errorf("%s: %v, want %v", what, d[0], d[1])
		}
	}
	if places := newExchange(t).r.queues.places; places != 10_000 {
		t.Errorf("%d places in a queue", places)
	}
}
