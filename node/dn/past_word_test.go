package dn

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCopy_TheLastWordAboutAnAgentHolds: the DN goes from K to N while K is down, and back to
// K before that hears anybody. What N said of the agent meanwhile holds, in whatever order
// they hear each other; what K said since holds against it.
func TestCopy_TheLastWordAboutAnAgentHolds(t *testing.T) {
	left := &Agent{ID: "7", State: LoggedOut}
	for name, c := range map[string]struct{ first, later, since bool }{
		"N is heard first": {first: true}, "K is heard first": {}, "K has lost it for long": {later: true}, "K said something since": {first: true, since: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, n, x := New(Config{Self: "k", Incarnation: 1}), New(Config{Self: "n", Incarnation: 1}), New(Config{Self: "x", Incarnation: 1})
				k.Register("1", Registered)
				kept := amended(t, k, "1", func(r *Record) { r.Agent = ready("7") })
				connect(n, k).deliver(t)
				<-time.After(time.Second)
				n.SetHeard("k", false)
				n.Register("1", Registered)
				amended(t, n, "1", func(r *Record) { r.Agent = left })
				<-time.After(time.Second)

				k = New(Config{Self: "k", Incarnation: 2, Floor: kept.ClaimTime})
				k.PutBack(kept)
				k.Register("1", Registered)
				want := left
				if c.since {
					want = ready("8")
					amended(t, k, "1", func(r *Record) { r.Agent = want })
				}
				kn, nk := connect(k, n), connect(n, k)
				if c.first {
					kn.deliver(t)
				}
				nk.deliver(t)
				if c.later {
					<-time.After(2 * dropDelay)
				}
				kn.deliver(t)
				nk.deliver(t)
				connect(x, n).deliver(t)
				connect(x, k).deliver(t)
				for _, tab := range []*Table{k, n, x} {
					if got, _ := tab.Get("1"); got.State != InSrv || got.Owner != "k" || got.Agent == nil || got.Agent.ID != want.ID || got.Agent.State != want.State {
						t.Errorf("%s shows %+v with agent %+v, want agent %+v", tab.Self(), got, got.Agent, want)
					}
				}
			})
		})
	}
}
