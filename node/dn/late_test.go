package dn

import (
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/node/feed"
)

// An agent logs in, and the DN moves before the new owner has heard of it.
func TestTable_WhatWasSaidJustBeforeTheMoveGoesAlong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Table)
		claim  int64
		late   bool
	}{
		"unchanged here":  {func(*Table) {}, 5, true},
		"refreshed here":  {func(tab *Table) { tab.Register("1", Registered) }, 5, true},
		"refreshed there": {func(*Table) {}, 6, true},
		"changed here": {func(tab *Table) {
			r, _ := tab.Own("1")
			r.Agent = ready("8")
			tab.Amend(r)
		}, 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			tab := New(Config{Self: "b", Incarnation: 1})
			a := copyOf(t, tab, "a", 1, Record{Number: "1", ClaimTime: 5, State: InSrv})
			was := tab.Register("1", Registered)
			c.change(tab)
			if _, err := a.Apply([]Record{{Number: "1", ClaimTime: c.claim, Seq: 1, State: InSrv, Agent: ready("7"), Reserved: Reservation{Holder: "r", Left: 1e12}}}, 2); err != nil {
				t.Fatal(err)
			}
			r, ok := tab.Own("1")
			if !ok || r.ClaimTime < was.ClaimTime {
				t.Fatalf("own record: %v %+v", ok, r)
			}
			if got := r.Agent.Equal(ready("7")) && r.Reserved.Holder == "r"; got != c.late {
				t.Errorf("agent %+v, reserved %+v", r.Agent, r.Reserved)
			}
		})
	}
}

// The other way round: the old owner hears of the move before its peers have
// heard its last word.
func TestFollow_TheLastWordBeforeTheMoveIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		tab.Register("1", Registered)
		s := tab.Follow(feed.Position{})
		drain(t, s)
		r := amended(t, tab, "1", func(r *Record) { r.Agent = ready("7") })
		copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: r.ClaimTime + 1, State: InSrv})
		items := drain(t, s)
		if len(items) != 2 || items[0].Record.State != InSrv || !items[0].Record.Agent.Equal(ready("7")) || !saysFarewell(items[1], ready("7")) {
			t.Errorf("told %+v", items)
		}
	})
}
