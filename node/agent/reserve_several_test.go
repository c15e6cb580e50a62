package agent

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// takes makes 1000 a DN that takes so many calls.
func takes(calls uint32) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "1000", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551000", Capacity: calls}}}
}

// holders are who has 1000 reserved, as its keeper says.
func (k *node) holders() (all []string) {
	r, _ := k.table.Own("1000")
	for x := range r.Reserved.All() {
		all = append(all, x.Holder)
	}
	return all
}

// Two callers at once have a DN that takes two calls, a third one goes elsewhere until one of
// them gives back what it has, and nothing else; at the DN's node or from another one.
func TestReserve_OneThatTakesTwoCalls(t *testing.T) {
	a, b := pair(t, twoNodes(t, takes(2)))
	a.table.Register("1000", dn.Registered)
	b.sees(t, "1000", "a")
	ask := func(k *node, r Reservation) error { return k.agents.Reserve(t.Context(), "1000", r) }
	call := func(k *node, id string) Reservation {
		return Reservation{Holder: CallAt(k.id, id), Duration: time.Minute, AtOnce: true}
	}
	for i, c := range []struct {
		by    *node
		r     Reservation
		code  tlibpb.ErrorCode
		holds string
	}{
		{a, call(a, "1"), 0, "[a/call/1]"},
		{b, call(b, "2"), 0, "[a/call/1 b/call/2]"},
		{a, call(a, "3"), tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "[a/call/1 b/call/2]"},
		{a, call(a, "1"), 0, "[a/call/1 b/call/2]"}, // it has it
		{b, Reservation{Holder: CallAt("b", "4"), Duration: time.Minute, AtOnce: true, InsteadOf: CallAt("b", "2")}, 0, "[a/call/1 b/call/4]"},
		{b, Reservation{Holder: CallAt("b", "2")}, tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "[a/call/1 b/call/4]"},
		{a, Reservation{Holder: CallAt("a", "1")}, 0, "[b/call/4]"},
		{b, call(b, "5"), 0, "[b/call/4 b/call/5]"},
		{a, call(a, "6"), tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "[b/call/4 b/call/5]"},
	} {
		err := ask(c.by, c.r)
		if err != nil {
			if codeOf(t, err) != c.code {
				t.Errorf("%d: %v", i, err)
			}
		} else if c.code != 0 {
			t.Errorf("%d: granted", i)
		}
		if got := fmt.Sprint(a.holders()); got != c.holds {
			t.Errorf("%d: held by %s, want %s", i, got, c.holds)
		}
		st, _ := a.table.Get("1000")
		if room := len(a.holders()) < 2; st.Room != room || st.Routable(false) != room || int(st.Holds) != len(a.holders()) {
			t.Errorf("%d: %+v", i, st)
		}
	}
	waitFor(t, "b sees both", func() bool { st, _ := b.table.Get("1000"); return st.Holds == 2 && !st.Routable(false) })
}

// However many ask at once, from both nodes, collected or not, as many have the DN as it takes
// calls.
func TestReserve_NeverMoreThanItTakes(t *testing.T) {
	a, b := pair(t, twoNodes(t, takes(3), collectFor(20)))
	a.table.Register("1000", dn.Registered)
	b.sees(t, "1000", "a")
	for round := range 4 {
		var granted atomic.Int32
		var all sync.WaitGroup
		for i := range 24 {
			k := []*node{a, b}[i%2]
			all.Go(func() {
				r := Reservation{Holder: CallAt(k.id, fmt.Sprint(i)), Duration: time.Minute, AtOnce: i%4 < 2}
				if k.agents.Reserve(t.Context(), "1000", r) == nil {
					granted.Add(1)
				}
			})
		}
		all.Wait()
		if n := granted.Load(); n != 3 || len(a.holders()) != 3 {
			t.Fatalf("round %d: %d were granted, %v have it", round, n, a.holders())
		}
		for _, h := range a.holders() {
			if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: h}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Each reservation ends by its own time, and by its own lease.
func TestReserve_EachOfSeveralEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNode(t, "a", twoNodes(t, takes(3)))
		a.table.Register("1000", dn.Registered)
		for _, r := range []Reservation{
			{Holder: CallAt("a", "long"), Duration: time.Minute, AtOnce: true},
			{Holder: CallAt("a", "short"), Duration: 5 * time.Second, AtOnce: true},
			{Holder: CallAt("gone", "1"), Duration: time.Minute, AtOnce: true}, // whose node renews nothing
		} {
			if err := a.agents.Reserve(t.Context(), "1000", r); err != nil {
				t.Fatal(err)
			}
		}
		a.agents.holds.drop(hold{"1000", CallAt("gone", "1")})
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{dn.Lease + time.Second, "[a/call/long a/call/short]"}, {2 * time.Second, "[a/call/long]"}} {
			<-time.After(c.after)
			synctest.Wait()
			st, _ := a.table.Get("1000")
			if got := fmt.Sprint(a.holders()); got != c.want || int(st.Holds) != len(a.holders()) || !st.Room {
				t.Errorf("%v later held by %s, want %s; %+v", c.after, got, c.want, st)
			}
		}
		a.end(t)
	})
}
