package dn

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

func ready(id string) *Agent { return &Agent{ID: id, State: Ready, Since: 1} }

// amended changes what the table says of its own DN.
func amended(t *testing.T, tab *Table, n Number, change func(*Record)) Record {
	t.Helper()
	r, ok := tab.Own(n)
	if !ok {
		t.Fatalf("no own record of %s", n)
	}
	change(&r)
	if r, ok = tab.Amend(r); !ok {
		t.Fatalf("%s is not amended", n)
	}
	return r
}

func TestTable_AgentGoesAlongWhenTheDNMoves(t *testing.T) {
	tab := New(Config{Self: "b", Incarnation: 1})
	copyOf(t, tab, "a", 1, Record{Number: "1", ClaimTime: 5, State: InSrv, Agent: ready("7"), Reserved: Reservation{Holder: "r", Left: 1e12}})
	r := tab.Register("1", Registered)
	if r.Agent == nil || r.Agent.ID != "7" || r.Agent.State != Ready || r.Reserved.Holder != "r" {
		t.Errorf("taken over: %+v", r)
	}
	if got, _ := tab.Get("1"); !got.Agent.Equal(ready("7")) || got.Owner != "b" || !got.Reserved {
		t.Errorf("after the move: %+v", got)
	}
}

func TestTable_AgentIsFrozenWhileTheOwnerIsLost(t *testing.T) {
	synctest.Test(t, frozenAgent)
}

func frozenAgent(t *testing.T) {
	tab := New(Config{Self: "b", Incarnation: 1})
	copyOf(t, tab, "a", 1, Record{Number: "1", ClaimTime: 5, State: InSrv, Agent: ready("7")})
	s := tab.Watch(feed.Position{Incarnation: 1, Seq: 1})
	drain(t, s)
	tab.SetHeard("a", false)
	got, _ := tab.Get("1")
	if got.State != OOS || got.Reason != PeerLost || !got.Agent.Equal(ready("7")) || got.Keeper != "a" {
		t.Errorf("lost: %+v", got)
	}
	if _, ok := tab.Own("1"); ok {
		t.Error("a copy is an own record")
	}
	for _, it := range drain(t, s) {
		if it.Kind == feed.Change && it.What != StateChange {
			t.Errorf("the loss told %+v", it)
		}
	}
}

func TestTable_RefreshAndEndKeepTheAgent(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	tab.Register("1", Registered)
	amended(t, tab, "1", func(r *Record) { r.Agent = ready("7") })
	if r := tab.Register("1", Registered); !r.Agent.Equal(ready("7")) {
		t.Errorf("refreshed: %+v", r)
	}
	r, _ := tab.Own("1")
	if r, ok := tab.End("1", r.ClaimTime, Unregistered); !ok || !r.Agent.Equal(ready("7")) {
		t.Errorf("ended: %+v", r)
	}
	if got, _ := tab.Get("1"); !got.Agent.Equal(ready("7")) || got.Keeper != "a" || got.Owner != "" {
		t.Errorf("out of service: %+v", got)
	}
}

// Only a change is an event, and an event says what changed.
func TestWatch_TellsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		tab.Register("1", Registered)
		s := tab.Watch(feed.Position{})
		drain(t, s)
		amended(t, tab, "1", func(r *Record) { r.Agent = ready("7") })
		amended(t, tab, "1", func(r *Record) { r.Agent = ready("7") })
		tab.Register("1", Registered)
		amended(t, tab, "1", func(r *Record) { r.Reserved = Reservation{Holder: "x", Left: int64(time.Second)} })
		items := drain(t, s)
		if len(items) != 2 || items[0].What != AgentChange || items[1].What != UseChange || !items[1].Status.Reserved {
			t.Errorf("told %+v", items)
		}
		<-time.After(2 * time.Second)
		if got, _ := tab.Get("1"); got.Reserved {
			t.Error("a reservation outlived its time")
		}
		amended(t, tab, "1", func(r *Record) { r.Reserved = Reservation{Holder: "y", Left: int64(time.Second)} })
		if items = drain(t, s); len(items) != 1 || items[0].What != UseChange || !items[0].Status.Reserved {
			t.Errorf("behind one that ended by itself was told %+v", items)
		}
	})
}

// A change under an older word changes nothing.
func TestTable_AmendNeedsThePresentWord(t *testing.T) {
	tab := New(Config{Self: "b", Incarnation: 1})
	old := tab.Register("1", Registered)
	tab.Register("1", Registered)
	if _, ok := tab.Amend(old); ok {
		t.Error("amended under an older claim")
	}
	r := amended(t, tab, "1", func(r *Record) { r.Agent = ready("7") })
	old.ClaimTime = r.ClaimTime
	if _, ok := tab.Amend(old); ok {
		t.Error("amended under an older seq")
	}
	r.Agent = &Agent{State: agentStates}
	if _, ok := tab.Amend(r); ok {
		t.Error("an unknown state is kept")
	}
	copyOf(t, tab, "a", 1, Record{Number: "1", ClaimTime: r.ClaimTime + 1, State: InSrv})
	if _, ok := tab.Amend(r); ok {
		t.Error("amended against a greater claim")
	}
}

func TestCopy_AbsurdAgentsAreRejected(t *testing.T) {
	tab := New(Config{Self: "b", Incarnation: 1})
	c := copyOf(t, tab, "a", 1)
	long := make([]byte, MaxAgentID+1)
	bad := []Record{
		{Number: "1", ClaimTime: 5, Agent: &Agent{ID: string(long)}},
		{Number: "1", ClaimTime: 5, Agent: &Agent{State: agentStates}},
		{Number: "1", ClaimTime: 5, Agent: &Agent{Mode: WorkModes}},
		{Number: "1", ClaimTime: 5, Agent: &Agent{Reasons: []KeyValue{{"b", ""}, {"a", ""}}}},
		{Number: "1", ClaimTime: 5, Agent: &Agent{ID: "\xff"}},
		{Number: "1", ClaimTime: 5, Reserved: Reservation{Holder: "x", Left: -1}},
		{Number: "1", ClaimTime: 5, Reserved: Reservation{Holder: "x", Left: MaxReserved + 1}},
	}
	if n, err := c.Apply(bad, 3); n != len(bad) || err != nil {
		t.Errorf("%d of %d rejected, %v", n, len(bad), err)
	}
	if _, known := tab.Get("1"); known {
		t.Error("a rejected record is kept")
	}
}
