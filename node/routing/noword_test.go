package routing

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// wordless is a call whose targets say nothing, but for those of the script's
// answers: every 2 s that is told, until the try is stopped.
type wordless struct {
	*timed
	asked func() // before it is told
}

func (c *wordless) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	if _, known := c.answers[string(t.Deliver)]; known {
		return c.timed.Send(t, progress, done)
	}
	c.tries, c.at = append(c.tries, string(t.Deliver)), append(c.at, time.Since(c.began))
	stop := &halt{c: make(chan struct{})}
	c.beside.Go(func() {
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if c.asked != nil {
					c.asked()
				}
				progress(invite.NoWord)
				continue
			case <-stop.c:
			case <-c.caller.Done():
			}
			done(invite.Outcome{Code: 487, NoWord: true})
			return
		}
	})
	return stop
}

func (c *wordless) serve(ctx context.Context, r *Engine) {
	c.caller, c.began = ctx, time.Now()
	r.Arrive(c)
	c.beside.Wait() // in a bubble
}

func silentCall(called string, answers map[string]invite.Outcome) *wordless {
	return &wordless{timed: &timed{script: &script{called: called, origin: trunk, answers: answers}}}
}

// seconds are rounded up: the queue looks again each 5 s.
func seconds(at []time.Duration) (s []int) {
	for _, d := range at {
		s = append(s, int((d+time.Second-1)/time.Second))
	}
	return s
}

// An agent whose phone says nothing is left for the next one, and nothing is held
// against the agent: the next call goes there first again.
func TestNoWord_TheNextAgentIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.table.Register("1004", dn.Registered)
		<-time.After(time.Millisecond) // 1004 is idle for longer
		x.table.Register("1003", dn.Registered)
		for range 2 {
			in := silentCall("9001", map[string]invite.Outcome{"1003": overAtOnce()})
			in.serve(t.Context(), x.r)
			if !slices.Equal(in.tries, []string{"1004", "1003"}) || !slices.Equal(seconds(in.at), []int{0, 2}) {
				t.Errorf("tried %q at %v", in.tries, in.at)
			}
			if st, _ := x.table.Get("1004"); st.Reserved {
				t.Error("the silent agent stays reserved")
			}
		}
	})
}

// While there is nobody else the phone may take its time; whoever becomes free
// meanwhile is called, and the silent one again 5 s later.
func TestNoWord_NobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.table.Register("1003", dn.Registered)
		in := silentCall("9001", map[string]invite.Outcome{"1004": {Code: 486}})
		asked := 0
		in.asked = func() {
			if asked++; asked == 3 {
				x.table.Register("1004", dn.Registered)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		in.serve(ctx, x.r)
		if !slices.Equal(in.tries, []string{"1003", "1004", "1003"}) || !slices.Equal(seconds(in.at), []int{0, 6, 11}) {
			t.Errorf("tried %q at %v", in.tries, in.at)
		}
	})
}

// A call to a DN waits for its phone.
func TestNoWord_ACallToADNWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.table.Register("1003", dn.Registered)
		x.table.Register("1004", dn.Registered)
		ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
		defer cancel()
		in := silentCall("1003", nil)
		in.serve(ctx, x.r)
		if took := time.Since(in.began); took != 31*time.Second || len(in.tries) != 1 {
			t.Errorf("tried %q for %v", in.tries, took)
		}
	})
}

// A router that named the agent is asked for another one.
func TestNoWord_TheRouterIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.routers.Store(true)
		x.table.Register("1003", dn.Registered)
		in := silentCall("9001", nil)
		done := make(chan struct{})
		go func() { defer close(done); in.serve(t.Context(), x.r) }()
		id := patience.Receive(t, "the router is asked", x.asked)
		if err := x.r.RouteCall(string(id), Route{DN: "1003"}); err != nil {
			t.Fatal(err)
		}
		patience.Receive(t, "the router is asked again", x.asked)
		if took := time.Since(in.began); took != 2*time.Second || !slices.Equal(x.tried, []dn.Number{"1003"}) {
			t.Errorf("after %v, tried %v", took, x.tried)
		}
		if err := x.r.RouteCall(string(id), Route{Reject: 480}); err != nil {
			t.Fatal(err)
		}
		patience.Receive(t, "the end of the call", done)
	})
}
