package routing

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// asks has a call wait for a router's word, and returns it with its end.
func (x *exchange) asks(t *testing.T, answers map[string]invite.Outcome) (in *script, over <-chan struct{}, caller context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in = &script{called: "9001", origin: trunk, answers: answers}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in.serve(ctx, x.r)
	}()
	return in, ended, cancel
}

// A router's word that comes in the very moment in which its time is over
// counts: the call goes where it says, at once.
func TestRouteCall_AtTheEndOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.routers.Store(true)
		x.table.Register("1001", dn.Registered)
		for i := range 40 {
			in, over, caller := x.asks(t, map[string]invite.Outcome{"1001": overAtOnce()})
			id := <-x.asked
			timer := time.NewTimer(time.Second) // as the routing point's
			<-timer.C
			if err := x.r.RouteCall(string(id), Route{DN: "1001", Holder: "router"}); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
			synctest.Wait()
			if !slices.Equal(in.tries, []string{"1001"}) {
				t.Fatalf("call %d was sent to %v", i, in.tries)
			}
			caller()
			<-over
		}
	})
}

// An agent who gets free in the moment in which a router decides otherwise is
// free for the next call.
func TestRouteCall_AsAnAgentGetsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.routers.Store(true)
		x.table.Register("1001", dn.Registered)
		for i := range 200 {
			in, over, caller := x.asks(t, map[string]invite.Outcome{"1001": overAtOnce(), "1003": overAtOnce()})
			id := <-x.asked
			timer := time.NewTimer(2 * time.Second) // it waits in the queue
			<-timer.C
			r := x.table.Register("1003", dn.Registered)
			for range i % 20 {
				runtime.Gosched()
			}
			routed := x.r.RouteCall(string(id), Route{DN: "1001", Holder: "router"}) == nil
			synctest.Wait()
			if want := []string{map[bool]string{true: "1001", false: "1003"}[routed]}; !slices.Equal(in.tries, want) {
				t.Fatalf("call %d was sent to %v, want %v", i, in.tries, want)
			}
			caller()
			<-over
			leftover.None(t, time.Minute, x.agents)
			x.table.End("1003", r.ClaimTime, dn.Unregistered)
			synctest.Wait()
		}
	})
}

// TestVisits_ShutTakesNoWord: between the end of the wait and the call's departure no
// router's word is taken, for nobody would hear it.
func TestVisits_ShutTakesNoWord(t *testing.T) {
	vs, v := newVisits(), &visit{routes: make(chan Route, 1)}
	vs.arrive("1", v)
	vs.open(v, "", func() {})
	if _, came := vs.shut(v); came {
		t.Error("a word that nobody said")
	}
	if vs.answer("1", Route{DN: "1001"}) {
		t.Error("taken when it was over")
	}
	vs.open(v, "", func() {})
	if !vs.answer("1", Route{DN: "1001"}) || vs.answer("1", Route{DN: "1002"}) {
		t.Error("want one word taken, and no second one")
	}
	if route, came := vs.shut(v); !came || route.DN != "1001" {
		t.Error(route, came)
	}
}
