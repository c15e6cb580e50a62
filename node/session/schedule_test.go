package session

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// timed is a call that notes when it was sent where, and for how long it may ring.
type timed struct {
	*script
	began    time.Time
	at, ring []time.Duration
	holds    func() // during each try
}

func (c *timed) Send(t Target, progress func(int), done func(Outcome)) Stopper {
	c.at, c.ring = append(c.at, time.Since(c.began)), append(c.ring, t.NoAnswer)
	if c.holds != nil {
		c.holds()
	}
	return c.script.Send(t, progress, done)
}

// serve is script's, and returns how long the call was served.
func (c *timed) serve(ctx context.Context, r *Routing) time.Duration {
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

// TestSchedule_AnAgentIsTriedAgainAfterHalfAMinute, twenty times at most, and
// rings for 20 s, reserved for 4 minutes.
func TestSchedule_AnAgentIsTriedAgainAfterHalfAMinute(t *testing.T) {
	c := &timed{script: &script{called: "9001", origin: trunk, answers: map[string]Outcome{"1003": {Code: 408}}}}
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
		if at != time.Duration(i)*30*time.Second || c.ring[i] != 20*time.Second {
			t.Errorf("try %d after %v rings for %v", i, at, c.ring[i])
		}
	}
	if len(c.at) != 20 || took != 19*30*time.Second || c.rejected != 480 {
		t.Errorf("%d tries, answered %d after %v", len(c.at), c.rejected, took)
	}
}

// TestSchedule_ARouterHasItsTime: what the routing point says, or 5 s.
func TestSchedule_ARouterHasItsTime(t *testing.T) {
	for ms, want := range map[uint32]time.Duration{0: 5 * time.Second, 1: time.Millisecond, 2500: 2500 * time.Millisecond} {
		c := &timed{script: &script{called: "9001", origin: trunk, answers: map[string]Outcome{"1003": overAtOnce()}}}
		atRoutingPoint(t, c, func(x *exchange) {
			x.routers = true
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
	c := &timed{script: &script{called: "9001", origin: trunk, answers: map[string]Outcome{"1003": overAtOnce()}}}
	atRoutingPoint(t, c, func(x *exchange) {
		time.AfterFunc(7*time.Second, func() { x.table.Register("1003", dn.Registered) })
	})
	if !slices.Equal(c.at, []time.Duration{7 * time.Second}) {
		t.Errorf("sent after %v", c.at)
	}
}

// TestSchedule_Sessions: 10 s to open one, 10 s to read, a word within two, and
// the grace of a desktop to the second.
func TestSchedule_Sessions(t *testing.T) {
	t.Run("never opened", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, began := newOffice(t).wire(DefaultPort), time.Now()
			if err := <-w.ended; status.Code(err) != codes.DeadlineExceeded || time.Since(began) != 10*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newOffice(t).connect(TCport, nil)
			w.reading.Store(false)
			began := time.Now()
			if err := <-w.ended; status.Code(err) != codes.ResourceExhausted || time.Since(began) < 10*time.Second || time.Since(began) > 12*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	})
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t)
			w := o.connect(TCport, nil)
			w.ask(registerAddress("2001", watched))
			o.table.Register("1001", dn.Registered) // nothing that it hears of
			<-time.After(2 * time.Second)
			synctest.Wait()
			if w.position() != o.table.Head() {
				t.Errorf("it knows position %d of %d", w.position(), o.table.Head())
			}
		})
	})
	t.Run("grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t)
			o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
			gws := o.connect(TCport, nil)
			gws.ask(registerAddress("2001", private))
			gws.hangUp()
			synctest.Wait()
			for _, x := range []struct {
				after time.Duration
				want  dn.State
			}{{30*time.Second - time.Millisecond, dn.InSrv}, {time.Millisecond, dn.OOS}} {
				<-time.After(x.after)
				synctest.Wait()
				if st, _ := o.table.Get("2001"); st.State != x.want {
					t.Errorf("%v later: %+v", x.after, st)
				}
			}
		})
	})
}
