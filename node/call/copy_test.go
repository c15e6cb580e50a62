package call

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// idOf is one of many IDs of a peer's calls.
func idOf(i int) ID { return ID(fmt.Sprintf("%016x", i+1)) }

func rowOf(i int) *Call {
	c := newCall(idOf(i), "", &Info{Caller: "1", Began: 1, DNIS: "2"})
	c.Parties = append(c.Parties, Party{DN: "2", Role: Called, State: StateRinging, Other: "1", Since: 2})
	return c
}

func eventOf(i int) *Event {
	return &Event{Kind: Ringing, Call: idOf(i), ThisDN: "2", Role: Called, Time: 2, Info: &Info{Caller: "1", Began: 1}}
}

func TestCopy_OnlyTheNewestFeedWrites(t *testing.T) {
	for what, end := range map[string]func(*Table) error{
		"another feed":      func(t *Table) error { _, err := t.Sync("p", 5, true); return err },
		"the process died":  func(t *Table) error { t.Died("p"); return nil },
		"a new incarnation": func(t *Table) error { t.Saw("p", 6); return nil },
		"the node is gone":  func(t *Table) error { t.Forget("p"); return nil },
	} {
		tab, c, _ := fed(t)
		if err := c.Current(); err != nil {
			t.Errorf("before %s: %v", what, err)
		}
		if err := end(tab); err != nil {
			t.Fatal(err)
		}
		before := tab.Counts()
		_, applied := c.Apply([]*Event{eventOf(5)}, 99)
		_, shown := c.Snapshot([]*Call{rowOf(5)})
		for _, err := range []error{applied, shown, c.Synced(99), c.Current()} {
			if !errors.Is(err, feed.ErrFenced) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := tab.Counts(); got != before || tab.Position("p").Seq == 99 {
			t.Errorf("%s: %+v became %+v", what, before, got)
		}
	}
}

// TestTable_TellsWhoseProcessIsNoMore: not who is seen for the first time.
func TestTable_TellsWhoseProcessIsNoMore(t *testing.T) {
	var gone []dn.Node
	tab := New(Config{Self: "a", Incarnation: 1, Gone: func(n dn.Node) { gone = append(gone, n) }})
	for _, c := range []struct {
		what string
		do   func()
		want int
	}{
		{"an unknown node's death", func() { tab.Died("p") }, 0},
		{"it is seen", func() { tab.Saw("p", 5) }, 0},
		{"its link begins", func() { _, _ = tab.Sync("p", 5, false) }, 0},
		{"an older process", func() { tab.Saw("p", 4) }, 0},
		{"it began anew", func() { _, _ = tab.Sync("p", 6, false) }, 1},
		{"it ended", func() { tab.Died("p") }, 1},
		{"this node", func() { tab.Died("a") }, 0},
		{"it left", func() { tab.Forget("p") }, 1},
	} {
		gone = nil
		if c.do(); len(gone) != c.want {
			t.Errorf("%s: %v", c.what, gone)
		}
	}
}

// TestCopy_APositionIsOneOnlyWhileWhole: nobody resumes from half a snapshot.
func TestCopy_APositionIsOneOnlyWhileWhole(t *testing.T) {
	tab, _, _ := fed(t)
	whole := feed.Position{Incarnation: 5, Seq: 7}
	if got := tab.Position("p"); got != whole {
		t.Errorf("after the snapshot: %+v", got)
	}
	resumed, err := tab.Sync("p", 5, true)
	if err != nil || tab.Position("p") != whole {
		t.Errorf("a feed that goes on: %+v, %v", tab.Position("p"), err)
	}
	if _, err := resumed.Apply(nil, 9); err != nil || tab.Position("p") != (feed.Position{Incarnation: 5, Seq: 9}) {
		t.Errorf("behind its events: %+v, %v", tab.Position("p"), err)
	}
	if _, err := tab.Sync("p", 5, false); err != nil || tab.Position("p") != (feed.Position{}) {
		t.Errorf("as a snapshot begins: %+v, %v", tab.Position("p"), err)
	}
	if got := tab.Position("nobody"); got != (feed.Position{}) {
		t.Errorf("of a node that is unknown: %+v", got)
	}
}

func TestCopy_WhoResumesKeepsTheCallsAndWhoCanNotDoesNot(t *testing.T) {
	for _, c := range []struct {
		what            string
		resumed, broken bool
		up              int
	}{
		{"a snapshot without the call", false, false, 0},
		{"it goes on", true, false, 1},
		{"a snapshot after one that broke off", false, true, 0},
	} {
		tab, _, _ := fed(t)
		if c.broken { // a snapshot that never ended
			if _, err := tab.Sync("p", 5, false); err != nil {
				t.Fatal(err)
			}
		}
		cp, err := tab.Sync("p", 5, c.resumed)
		if err != nil {
			t.Fatal(err)
		}
		w := tab.Tail()
		if err := cp.Synced(9); err != nil {
			t.Fatal(err)
		}
		if got := tab.Counts().Up; got != c.up {
			t.Errorf("%s: %d calls are up, want %d", c.what, got, c.up)
		}
		if c.up == 0 {
			expect(t, told(w), "released 1  0", "released 2  0")
		}
	}
}

// A copy that began anew between the follower's hello and the answer can't be
// resumed: the next link gets a snapshot.
func TestCopy_WhatBeganAnewIsNotResumed(t *testing.T) {
	for what, c := range map[string]struct {
		anew        func(*Table)
		incarnation uint64
	}{
		"the process died":     {func(tab *Table) { tab.Died("p") }, 5},
		"a snapshot broke off": {func(tab *Table) { _, _ = tab.Sync("p", 5, false) }, 5},
		"a newer one was seen": {func(tab *Table) { tab.Saw("p", 6) }, 6},
		"the node was removed": {func(tab *Table) { tab.Forget("p") }, 5},
	} {
		tab, _, _ := fed(t)
		c.anew(tab)
		if _, err := tab.Sync("p", c.incarnation, true); !errors.Is(err, feed.ErrFenced) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := tab.Sync("p", c.incarnation, false); err != nil {
			t.Errorf("%s, with a snapshot: %v", what, err)
		}
	}
}

func TestTable_OwnCallsAreNobodyElses(t *testing.T) {
	tab := newTable("a")
	id := begin(t, tab, "1")
	tab.Ringing(id, "2", "")
	tab.Died("a")
	tab.Saw("a", 99)
	tab.Forget("a")
	tab.Forget("nobody")
	tab.Died("nobody")
	tab.Saw("nobody", 1)
	if _, err := tab.Sync("a", 1, false); !errors.Is(err, feed.ErrStale) {
		t.Errorf("a copy of this node's own: %v", err)
	}
	if c := tab.Counts(); c.Own != 1 || c.Up != 1 || tab.Incarnation() != 1 || tab.Self() != "a" || len(tab.nodes) != 1 {
		t.Errorf("%+v, %d nodes", c, len(tab.nodes))
	}
	if !tab.Established(id, "2") || !tab.End(id, 0, false) {
		t.Error("it does not go on")
	}
}

func TestTable_ForgetEndsTheCallsOfANode(t *testing.T) {
	tab, _, _ := fed(t)
	w := tab.Tail()
	tab.Forget("p")
	expect(t, told(w), "released 1  1", "released 2  1")
	if len(tab.nodes) != 1 || tab.Counts() != (Counts{}) {
		t.Errorf("%d nodes, %+v", len(tab.nodes), tab.Counts())
	}
	// What it is again is new: an old incarnation may come back.
	if _, err := tab.Sync("p", 1, false); err != nil {
		t.Error(err)
	}
}

// A call that outlived its node's removal takes nothing along, when the node is back.
func TestTable_ForgottenAndBackIsKept(t *testing.T) {
	tab, _, call := fed(t)
	carrier, err := tab.Sync("q", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := carrier.Carrying([]Carried{{Call: call.ID, Of: "p", DN: "2"}}); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	tab.Forget("p")
	c, err := tab.Sync("p", 6, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Synced(3); err != nil || len(tab.Up()) != 1 {
		t.Fatalf("%v, %d calls: want the one that is carried", err, len(tab.Up()))
	}
	over := &Event{Kind: Over, Call: call.ID, ThisDN: "2", Role: Called, Of: "p", Time: 3}
	if n, err := carrier.Apply([]*Event{over}, 1); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := c.Apply([]*Event{eventOf(1)}, 4); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	if up := tab.Up(); len(up) != 1 || up[0].ID != idOf(1) {
		t.Errorf("%+v, want the call that the node has now", up)
	}
	if got, want := tab.Position("p"), (feed.Position{Incarnation: 6, Seq: 4}); got != want {
		t.Errorf("it is at %+v, want %+v", got, want)
	}
}

// TestTable_HasRoomForSoManyNodes: who is forgotten makes room.
func TestTable_HasRoomForSoManyNodes(t *testing.T) {
	tab := newTable("a")
	for i := 1; i < feed.MaxNodes; i++ {
		if _, err := tab.Sync(dn.Node(fmt.Sprint("n", i)), 1, false); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := tab.Sync("more", 1, false); !errors.Is(err, feed.ErrTooManyNodes) {
		t.Error(err)
	}
	if _, err := tab.Sync("n1", 1, false); err != nil {
		t.Errorf("one that is known: %v", err)
	}
	tab.Forget("n1")
	if _, err := tab.Sync("more", 1, false); err != nil {
		t.Error(err)
	}
}

func TestTable_HasRoomForSoManyCallsOfANode(t *testing.T) {
	tab, c := peerOf(t)
	for i := range MaxCalls - 1 {
		if !c.apply(eventOf(i)) { // as Apply does, without its lock for each
			t.Fatal(i)
		}
	}
	rows := []*Call{rowOf(0), rowOf(MaxCalls), rowOf(MaxCalls + 1)}
	if n, err := c.Snapshot(rows); n != 1 || err != nil {
		t.Errorf("%d rows refused, %v: want the last one", n, err)
	}
	if n, err := c.Apply([]*Event{eventOf(MaxCalls + 2)}, 1); n != 1 || err != nil {
		t.Errorf("%d events refused, %v", n, err)
	}
	for i := range MaxCalls {
		if _, err := tab.Begin(Info{Caller: "1", Type: Inbound}); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := tab.Begin(Info{Caller: "1", Type: Inbound}); !errors.Is(err, ErrFull) {
		t.Errorf("own calls beyond the limit: %v", err)
	}
	if got := tab.Counts(); got != (Counts{Own: MaxCalls, Up: MaxCalls, Refused: 2}) {
		t.Errorf("%+v", got)
	}
	// One that ends makes room; many end some at a time.
	for what, want := range map[string]int{"n": 0} {
		tab.Died("p")
		if got := tab.Counts(); got.Up != want || len(tab.nodes["p"].up) != 0 || tab.nodes["p"].n != want {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// TestCopy_CarriedCallsThatEndMakeRoom: a peer may carry as many as it likes, one after
// the other.
func TestCopy_CarriedCallsThatEndMakeRoom(t *testing.T) {
	_, c := peerOf(t)
	says := func(k Kind, i int) int {
		n, err := c.Apply([]*Event{{Kind: k, Call: idOf(i), Of: "n", ThisDN: "2", Time: 1}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range MaxCalls {
		if n := says(Carry, i); n != 0 {
			t.Fatalf("the %dth is refused", i+1)
		}
	}
	if n := says(Carry, MaxCalls); n != 1 {
		t.Error("one beyond the limit is taken")
	}
	for i := range 2 {
		says(Dropped, i)
		if n := says(Carry, MaxCalls+i); n != 0 {
			t.Errorf("refused after %d have ended", i+1)
		}
	}
}

// TestCopy_EventsSayTheirNodeAndWhatIsNew: whatever the peer wrote there.
func TestCopy_EventsSayTheirNodeAndWhatIsNew(t *testing.T) {
	tab, c := peerOf(t)
	w := tab.Tail()
	e := eventOf(0)
	e.Node, e.Fresh = "liar", true
	answer := &Event{Kind: Established, Call: e.Call, ThisDN: "2", Role: Called, Time: 3, Node: "liar", Fresh: true}
	row := rowOf(1)
	row.Node = "liar"
	row.Parties = append(row.Parties, Party{DN: "3", Role: Called, State: StateRinging, Since: 2})
	if n, err := c.Snapshot([]*Call{row}); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := c.Apply([]*Event{e, answer}, 3); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	want := []string{"2 p true", "3 p false", "2 p true", "2 p false"}
	var got []string
	for _, it := range some(w) {
		got = append(got, fmt.Sprint(it.Event.ThisDN, " ", it.Event.Node, " ", it.Event.Fresh))
		if it.Event.Info == nil {
			t.Errorf("%+v tells nothing of the call", it.Event)
		}
	}
	expect(t, got, want...)
	if n, err := c.Apply([]*Event{{Kind: Ringing, Call: idOf(9), ThisDN: "1", Role: Caller, Time: 2, Info: e.Info}}, 4); n != 1 || err != nil || len(tab.calls) != 2 {
		t.Errorf("an event that can't be a call's first: %d refused, %v; %d calls", n, err, len(tab.calls))
	}
	if n, err := c.Apply([]*Event{eventOf(0)}, 5); n != 1 || err != nil {
		t.Errorf("a DN that talks rings: %d refused, %v", n, err)
	}
	// Followers get the own calls and nobody else's.
	if got := told(tab.Follow(feed.Position{})); len(got) != 0 {
		t.Errorf("passed on: %q", got)
	}
}
