package dn

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/node/feed"
)

// Whatever differs between two agents is a change, and is told.
func TestAgent_EveryDifferenceCounts(t *testing.T) {
	agent := func(change func(*Agent)) *Agent {
		a := &Agent{ID: "7", State: NotReady, Mode: 1, Reasons: []KeyValue{{"a", "1"}, {"b", "2"}}, Since: 5}
		if change != nil {
			change(a)
		}
		return a
	}
	differ := map[string]*Agent{
		"nobody":        nil,
		"id":            agent(func(a *Agent) { a.ID = "8" }),
		"state":         agent(func(a *Agent) { a.State = Ready }),
		"work mode":     agent(func(a *Agent) { a.Mode = 2 }),
		"a value":       agent(func(a *Agent) { a.Reasons[1].Value = "3" }),
		"a key":         agent(func(a *Agent) { a.Reasons[1].Key = "c" }),
		"fewer reasons": agent(func(a *Agent) { a.Reasons = a.Reasons[:1] }),
		"no reasons":    agent(func(a *Agent) { a.Reasons = nil }),
		"since":         agent(func(a *Agent) { a.Since = 6 }),
	}
	for name, other := range differ {
		if agent(nil).Equal(other) || other.Equal(agent(nil)) {
			t.Errorf("another %s is no difference", name)
		}
		synctest.Test(t, func(t *testing.T) {
			tab := New(Config{Self: "a", Incarnation: 1})
			tab.Register("1", Registered)
			amended(t, tab, "1", func(r *Record) { r.Agent = agent(nil) })
			s := tab.Watch(feed.Position{})
			drain(t, s)
			amended(t, tab, "1", func(r *Record) { r.Agent = other })
			if items := drain(t, s); len(items) != 1 || items[0].What != AgentChange || !items[0].Status.Agent.Equal(other) {
				t.Errorf("another %s: told %+v", name, items)
			}
		})
	}
	if a := agent(nil); !a.Equal(agent(nil)) || !a.Equal(a) || !(*Agent)(nil).Equal(nil) {
		t.Error("equal agents differ")
	}
}

// Busy and reserved are told each by itself; a reservation to the peers too, who know
// the calls by themselves.
func TestTable_EveryUseIsTold(t *testing.T) {
	for name, change := range map[string]struct {
		do    func(*testing.T, *Table, map[Number]struct{})
		peers int
	}{
		"busy": {func(_ *testing.T, tab *Table, busy map[Number]struct{}) {
			busy["1"] = struct{}{}
			tab.Touch(map[Number]struct{}{"1": {}, "2": {}, "3": {}})
			tab.Touch(map[Number]struct{}{"1": {}}) // says nothing new
		}, 0},
		"reserved": {func(t *testing.T, tab *Table, _ map[Number]struct{}) {
			amended(t, tab, "1", func(r *Record) { r.Reserved = Reservation{Holder: "x", Left: 60e9} })
		}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			busy := map[Number]struct{}{}
			tab := New(Config{Self: "a", Incarnation: 1, Busy: func(n Number) bool { _, ok := busy[n]; return ok }})
			tab.Register("1", Registered)
			tab.Register("2", Registered)
			clients, peers := tab.Watch(feed.Position{}), tab.Follow(feed.Position{})
			drain(t, clients)
			drain(t, peers)
			change.do(t, tab, busy)
			items := drain(t, clients)
			if len(items) != 1 || items[0].What != UseChange || items[0].Status.Busy != (name == "busy") || items[0].Status.Reserved != (name == "reserved") {
				t.Errorf("%s: clients are told %+v", name, items)
			}
			if items := drain(t, peers); len(items) != change.peers {
				t.Errorf("%s: peers are told %+v", name, items)
			}
			got, _ := tab.Get("1")
			if got.Busy != (name == "busy") || got.Routable(false) {
				t.Errorf("%s: %+v", name, got)
			}
		})
	}
}

// A DN that takes several calls is told of with each, busy or not.
func TestTable_EveryCallIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int32
		tab := New(Config{Self: "a", Incarnation: 1, Uses: func(Number) Uses { return Uses{Calls: calls} }})
		tab.Register("1", Registered)
		clients := tab.Watch(feed.Position{})
		drain(t, clients)
		for i, n := range []int32{1, 2, 2, 300, 1, 0, 0} {
			was := calls
			calls = n
			tab.Touch(map[Number]struct{}{"1": {}})
			items := drain(t, clients)
			if len(items) > 1 || (len(items) == 1) != (n != was) || n != was && (items[0].What != UseChange || items[0].Status.Uses.Calls != n) {
				t.Errorf("step %d, %d calls: told %+v", i, n, items)
			}
		}
	})
}

// Whoever registers here, in a call that is known of already, is busy from the start.
func TestTable_WhoRegistersInACallIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1, Busy: func(n Number) bool { return n == "1" }})
		clients := tab.Watch(feed.Position{})
		drain(t, clients)
		tab.Register("1", Registered)
		for _, it := range drain(t, clients) {
			if !it.Status.Busy {
				t.Errorf("clients are told %+v", it)
			}
		}
		if got, _ := tab.Get("1"); !got.Busy || got.Routable(false) {
			t.Errorf("%+v", got)
		}
	})
}

// A shorter or longer reservation of the same holder is another one.
func TestTable_ReservationThatChangesItsEndIsTold(t *testing.T) {
	for _, left := range []int64{2e9, 30e9} {
		synctest.Test(t, func(t *testing.T) {
			tab := New(Config{Self: "a", Incarnation: 1})
			tab.Register("1", Registered)
			amended(t, tab, "1", func(r *Record) { r.Reserved = Reservation{Holder: "x", Left: 10e9} })
			if r := amended(t, tab, "1", func(r *Record) { r.Reserved.Left = left }); r.Reserved.Left != left {
				t.Errorf("%d ns are left, want %d", r.Reserved.Left, left)
			}
		})
	}
}

// A newer incarnation of a peer exists: the old one no longer counts, nor does
// its link, until the new one has told its table.
func TestTable_NewerIncarnationEndsTheOldOne(t *testing.T) {
	for name, newer := range map[string]func(t *testing.T, tab *Table) *Copy{
		"seen by gossip": func(_ *testing.T, tab *Table) *Copy { tab.Saw("b", 2); return nil },
		"on a link": func(t *testing.T, tab *Table) *Copy {
			c, err := tab.Sync("b", 2, false)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tab := New(Config{Self: "a", Incarnation: 1})
				old := copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv, Reason: Registered})
				s := tab.Watch(feed.Position{})
				drain(t, s)
				c := newer(t, tab)
				if items := drain(t, s); len(items) != 1 || items[0].Status.State != OOS || items[0].Status.Reason != PeerLost {
					t.Errorf("told %+v", items)
				}
				if _, err := old.Apply([]Record{{Number: "2", ClaimTime: 6, State: InSrv}}, 9); !errors.Is(err, feed.ErrFenced) {
					t.Errorf("the old link says more: %v", err)
				}
				if tab.Heard("b") || tab.SetHeard("b", true) || tab.Position("b") != (feed.Position{}) {
					t.Errorf("the old copy counts: heard %v, position %+v", tab.Heard("b"), tab.Position("b"))
				}
				if _, err := tab.Sync("b", 1, false); !errors.Is(err, feed.ErrStale) {
					t.Errorf("the old incarnation again: %v", err)
				}
				if c == nil {
					c, _ = tab.Sync("b", 2, false)
				}
				if err := c.Synced(1); err != nil || !tab.SetHeard("b", true) {
					t.Errorf("the new one: %v", err)
				}
			})
		})
	}
}

// What is seen of an incarnation that is known, of an older one, of this node
// itself or of a stranger changes nothing.
func TestTable_SeenAgainChangesNothing(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	copyOf(t, tab, "b", 2)
	for id, incarnation := range map[Node]uint64{"b": 2, "a": 9, "x": 9} {
		tab.Saw(id, incarnation)
	}
	tab.Saw("b", 1)
	if !tab.Heard("b") || !tab.Heard("a") || tab.Position("b").Incarnation != 2 {
		t.Error("somebody is lost")
	}
}

func TestCopy_RejectedRecordsAreCounted(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	c := copyOf(t, tab, "b", 1)
	for i := range uint64(3) {
		if n, err := c.Apply([]Record{{Number: "1", ClaimTime: 5}, {Number: "bad number", ClaimTime: 5}, {Number: "2"}}, i+2); n != 2 || err != nil {
			t.Errorf("%d rejected, %v", n, err)
		}
		if got := tab.Rejected(); got != 2*(i+1) {
			t.Errorf("%d are counted, want %d", got, 2*(i+1))
		}
	}
	for state, want := range map[AgentState]string{LoggedOut: "logged-out", LoggedIn: "logged-in", NotReady: "not-ready", Ready: "ready", agentStates: "unknown"} {
		if state.String() != want {
			t.Errorf("%d is called %q", state, state)
		}
	}
}
