package dn

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// saysFarewell tells whether the item is a farewell with the agent.
func saysFarewell(it Item, a *Agent) bool {
	r := &it.Record
	return !r.Gone && r.State == OOS && r.Reason == OwnerMoved && r.Agent.Equal(a)
}

// link moves what one table says to another one.
type link struct {
	s    *Stream
	to   *Table
	from Node
	inc  uint64
	copy *Copy
}

func connect(to, from *Table) *link {
	return &link{s: from.Follow(to.Position(from.Self())), to: to, from: from.Self(), inc: from.Incarnation()}
}

func (l *link) deliver(t *testing.T) {
	t.Helper()
	for _, it := range drain(t, l.s) {
		var err error
		switch it.Kind {
		case feed.Started:
			l.copy, err = l.to.Sync(l.from, l.inc, it.Resumed)
		case feed.EndOfSnapshot:
			err = l.copy.Synced(it.Seq)
			l.to.SetHeard(l.from, true)
		default:
			_, err = l.copy.Apply([]Record{it.Record}, it.Seq)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// X hears K and not N. The DN goes from K to N, and then to X.
func TestFarewell_TheAgentGoesAlongToANodeThatDoesNotHearTheOwner(t *testing.T) {
	for name, late := range map[string]bool{"told": false, "found when it starts": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { goesAlong(t, late) }) })
	}
}

func goesAlong(t *testing.T, late bool) {
	k, n := New(Config{Self: "k", Incarnation: 1}), New(Config{Self: "n", Incarnation: 1})
	x := New(Config{Self: "x", Incarnation: 1})
	k.Register("1", Registered)
	amended(t, k, "1", func(r *Record) { r.Agent = ready("7") })
	kn, nk, xk := connect(k, n), connect(n, k), connect(x, k)
	for _, l := range []*link{kn, nk, xk} {
		l.deliver(t)
	}
	clients := x.Watch(feed.Position{})
	drain(t, clients)
	n.Register("1", Registered)
	kn.deliver(t)
	<-time.After(2 * dropDelay)
	if late {
		x = New(Config{Self: "x", Incarnation: 2})
		xk = connect(x, k)
	}
	xk.deliver(t)
	nk.deliver(t)
	got, _ := x.Get("1")
	if got.State != OOS || got.Reason != OwnerMoved || got.Owner != "" || got.Keeper != "k" || !got.Agent.Equal(ready("7")) {
		t.Fatalf("x shows %+v", got)
	}
	if told := drain(t, clients); !late && (len(told) != 1 || told[0].What != StateChange) {
		t.Errorf("x's clients hear %+v", told)
	}
	if r := x.Register("1", Registered); !r.Agent.Equal(ready("7")) {
		t.Errorf("x took over %+v", r)
	}
	connect(n, x).deliver(t)
	connect(k, x).deliver(t)
	for _, tab := range []*Table{k, n, x} {
		if got, _ := tab.Get("1"); got.Owner != "x" || !got.Agent.Equal(ready("7")) || len(tab.entries["1"].recs) > 2 {
			t.Errorf("%s shows %+v", tab.Self(), got)
		}
	}
}

func farewell(n Number, claim int64, id string) Record {
	return Record{Number: n, ClaimTime: claim, Seq: 1, State: OOS, Reason: OwnerMoved, Agent: ready(id)}
}

// A farewell speaks about the agent; the state is what it was without it, in
// whatever order they come.
func TestFarewell_SaysNoStateBesideAnotherRecord(t *testing.T) {
	for name, c := range map[string]struct {
		heard, last bool
		state       State
		reason      Reason
	}{
		"of a node that is heard":           {true, false, InSrv, Registered},
		"of a node that is heard and later": {true, true, InSrv, Registered},
		"of a node that is lost":            {false, false, OOS, PeerLost},
		"of a node that is lost and later":  {false, true, OOS, PeerLost},
	} {
		t.Run(name, func(t *testing.T) {
			tab := New(Config{Self: "x", Incarnation: 1})
			j, k := copyOf(t, tab, "j", 1), copyOf(t, tab, "k", 1)
			tab.SetHeard("j", c.heard)
			for _, last := range []bool{c.last, !c.last} {
				says, r := k, farewell("1", 7, "7")
				if last {
					says, r = j, Record{Number: "1", ClaimTime: 5, State: InSrv, Reason: Registered, Agent: ready("6")}
				}
				if _, err := says.Apply([]Record{r}, 2); err != nil {
					t.Fatal(err)
				}
			}
			got, _ := tab.Get("1")
			if got.State != c.state || got.Reason != c.reason || got.Owner != "j" || got.Keeper != "k" || !got.Agent.Equal(ready("7")) {
				t.Errorf("%+v", got)
			}
			checkCounts(t, tab)
			copyOf(t, tab, "n", 1, Record{Number: "1", ClaimTime: 9, State: InSrv, Agent: ready("8")})
			if e := tab.entries["1"]; len(e.recs) != 2 || e.by(k.node) != nil {
				t.Errorf("a void farewell is kept: %+v", e.recs)
			}
			if got, _ = tab.Get("1"); got.State != InSrv || got.Owner != "n" || !got.Agent.Equal(ready("8")) {
				t.Errorf("after the owner's word: %+v", got)
			}
		})
	}
}

func TestFarewell_TakesNoRegistrationDown(t *testing.T) {
	tab := New(Config{Self: "x", Incarnation: 1})
	mine := tab.Register("1", Registered)
	copyOf(t, tab, "k", 1, farewell("1", mine.ClaimTime+1, "7"))
	if got, _ := tab.Get("1"); got.State != InSrv || got.Owner != "x" || got.Keeper != "k" || len(tab.superseded.set) != 0 {
		t.Errorf("%+v, superseded %v", got, tab.superseded.set)
	}
	mine.Agent = ready("6")
	if _, ok := tab.Amend(mine); ok {
		t.Error("amended against a greater claim")
	}
	if r := tab.Register("1", Registered); !r.Agent.Equal(ready("7")) || r.ClaimTime <= mine.ClaimTime+1 {
		t.Errorf("refreshed: %+v", r)
	}
	checkCounts(t, tab)
}

// Whatever ends the greater claim ends the farewell: what the new owner's agent
// did there since must not be undone.
func TestFarewell_EndsWithTheClaimThatItGaveWayTo(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *Table, *Copy){
		"deleted": func(t *testing.T, _ *Table, n *Copy) {
			if _, err := n.Apply([]Record{{Number: "1", Gone: true}}, 3); err != nil {
				t.Fatal(err)
			}
		},
		"its owner removed": func(_ *testing.T, k *Table, _ *Copy) { k.Forget("n") },
		"its owner's disk lost": func(t *testing.T, k *Table, _ *Copy) {
			copyOf(t, k, "n", 2)
		},
		"an older state restored": func(t *testing.T, k *Table, _ *Copy) {
			copyOf(t, k, "n", 2, Record{Number: "1", ClaimTime: 5, State: InSrv})
		},
		"deleted here first": func(_ *testing.T, k *Table, _ *Copy) { k.Remove("1", Deleted) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := New(Config{Self: "k", Incarnation: 1})
				k.Register("1", Registered)
				r := amended(t, k, "1", func(r *Record) { r.Agent = ready("7") })
				s := k.Follow(feed.Position{})
				drain(t, s)
				n := copyOf(t, k, "n", 1, Record{Number: "1", ClaimTime: r.ClaimTime + 1, State: InSrv, Agent: ready("7")})
				if items := drain(t, s); len(items) != 1 || !saysFarewell(items[0], ready("7")) {
					t.Fatalf("told %+v", items)
				}
				end(t, k, n)
				if items := drain(t, s); len(items) != 1 || !items[0].Record.Gone {
					t.Errorf("told %+v", items)
				}
			})
		})
	}
}

// A registration that comes back at once says no farewell, and one that goes
// again says it in its own time.
func TestFarewell_NotWhenTheDNCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(Config{Self: "k", Incarnation: 1})
		k.Register("1", Registered)
		amended(t, k, "1", func(r *Record) { r.Agent = ready("7") })
		s := k.Follow(feed.Position{})
		drain(t, s)
		n := copyOf(t, k, "n", 1)
		goes := func() {
			r, _ := k.Own("1")
			if _, err := n.Apply([]Record{{Number: "1", ClaimTime: r.ClaimTime + 1, State: InSrv, Agent: ready("7")}}, 2); err != nil {
				t.Fatal(err)
			}
		}
		goes()
		<-time.After(dropDelay / 2)
		k.Register("1", Registered)
		goes()
		<-time.After(dropDelay * 3 / 4)
		for _, it := range s.takeNow() {
			if it.Record.State != InSrv {
				t.Errorf("told early: %+v", it)
			}
		}
		if items := drain(t, s); len(items) != 1 || !saysFarewell(items[0], ready("7")) {
			t.Errorf("told %+v", items)
		}
	})
}

func (s *Stream) takeNow() []Item {
	items, _ := s.take(nil)
	return items
}

// Without restarts and deletions, what a node knows of a DN never goes back,
// and no agent is forgotten, whoever hears whom.
func TestFarewell_NoNodeForgetsAnAgent(t *testing.T) {
	runs := uint64(2_000)
	if testing.Short() {
		runs = 200
	}
	for seed := range runs {
		w := newWorld(seed, 3+int(seed%3), 0)
		for i, n := range []Number{"1000", "1001", "1002", "1003"} {
			w.register(i%len(w.nodes), n)
			w.amend(i%len(w.nodes), n)
		}
		w.settle(t)
		known := map[string]Version{}
		for range 80 {
			w.stepUp(t)
			for _, s := range w.nodes {
				s.table.Range("", func(st Status) bool {
					at := fmt.Sprint(s.id, " ", st.Number)
					if st.Agent == nil || st.Version.Less(known[at]) {
						t.Fatalf("seed %d: %s shows %+v after %+v", seed, at, st, known[at])
					}
					known[at] = st.Version
					return true
				})
				if len(s.table.entries) != 4 {
					t.Fatalf("seed %d: %s knows %d DNs", seed, s.id, len(s.table.entries))
				}
			}
		}
		w.settle(t)
		w.check(t, seed, false)
		w.checkFarewells(t, seed)
		w.leave(t, seed)
	}
}

// stepUp is a step in which no node restarts.
func (w *world) stepUp(t *testing.T) {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
	i, j, n := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)), w.number()
	switch w.r.IntN(12) {
	case 0, 1:
		w.register(i, n)
	case 2:
		w.end(i, n)
	case 3:
		if i != j {
			w.toggle(i, j)
		}
	case 4:
		w.amend(i, n)
	default:
		w.deliver(t, i, j)
	}
}

// checkFarewells: in quiet only their writers have them.
func (w *world) checkFarewells(t *testing.T, seed uint64) {
	t.Helper()
	for _, s := range w.nodes {
		for n, e := range s.table.entries {
			if len(e.recs) != 1 || e.recs[0].farewell() {
				t.Fatalf("seed %d: %s has %+v of %s in quiet", seed, s.id, e.recs, n)
			}
			if l := e.late; l != nil && (!l.farewell() || l.x.agent == nil || !s.table.claim(l).Less(s.table.claim(&e.recs[0]))) {
				t.Fatalf("seed %d: %s keeps %+v of %s", seed, s.id, *l, n)
			}
		}
	}
}

// leave removes a node from the cluster, and then all DNs: the tables are equal
// after the one, and empty after the other.
func (w *world) leave(t *testing.T, seed uint64) {
	t.Helper()
	gone := w.nodes[0].id
	w.nodes, w.links = w.nodes[1:], map[[2]int]*simLink{}
	for _, s := range w.nodes {
		s.table.Forget(gone)
	}
	w.settle(t)
	for n := range w.truth {
		first, known := w.nodes[0].table.Get(n)
		for _, s := range w.nodes[1:] {
			if got, k := s.table.Get(n); k != known || got.State != first.State || got.Owner != first.Owner || !got.Agent.Equal(first.Agent) {
				t.Fatalf("seed %d: after a removal %s shows %v %+v, %s %v %+v", seed, w.nodes[0].id, known, first, s.id, k, got)
			}
		}
		if known && first.State == OOS && first.Reason == OwnerMoved {
			t.Fatalf("seed %d: a farewell counts after a removal: %+v", seed, first)
		}
		for _, s := range w.nodes {
			s.table.Remove(n, Deleted)
		}
	}
	w.settle(t)
	for _, s := range w.nodes {
		if len(s.table.entries) != 0 {
			t.Fatalf("seed %d: %s knows %d DNs that were deleted", seed, s.id, len(s.table.entries))
		}
	}
}
