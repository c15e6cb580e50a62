package routing

import (
	"context"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Two callers ring at an agent who takes two calls; a third one goes elsewhere, and to that
// agent when one of the two has gone.
func TestRoutingPoint_AnAgentWhoTakesTwoCalls(t *testing.T) {
	x := newExchange(t)
	a, b := nodeOf("a", "n1", "dc1"), nodeOf("b", "n2", "dc2")
	level := x.machine.Features().Known
	a.GetPutNode().FeatureLevel, b.GetPutNode().FeatureLevel = level, level
	x.write(a, b)
	x.write(&configpb.Mutation{Op: &configpb.Mutation_PutLevel{PutLevel: level}})
	two := member("1003")
	two.GetPutDn().Capacity = 2
	x.write(two)
	x.table.Register("1003", dn.Registered)
	rings := make(chan string)
	var ends []func()
	calls := func() {
		in := &script{called: "9001", origin: trunk, rings: rings}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); in.serve(ctx, x.r) }()
		ends = append(ends, func() { cancel(); patience.Receive(t, "the end of a call", done) })
	}
	for range 2 {
		calls()
		if at := patience.Receive(t, "a phone rings", rings); at != "1003" {
			t.Errorf("%s rings", at)
		}
	}
	is := func() dn.Status { st, _ := x.table.Get("1003"); return st }
	x.await("both to be there, once each", func() bool {
		st := is()
		return st.Holds == 2 && st.Uses.Calls == 2 && st.Taken == 2 && !st.Routable(false)
	})
	x.table.Register("1004", dn.Registered)
	calls()
	if at := patience.Receive(t, "a phone rings", rings); at != "1004" {
		t.Errorf("the third rings at %s", at)
	}
	ends[0]()
	x.await("the first to have gone", func() bool { st := is(); return st.Holds == 1 && st.Routable(false) })
	calls()
	if at := patience.Receive(t, "a phone rings", rings); at != "1003" {
		t.Errorf("the fourth rings at %s", at)
	}
	for _, end := range ends[1:] {
		end()
	}
	x.await("nobody to be there", func() bool { st := is(); return st.Taken == 0 && !st.Reserved })
}
