package dn

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Each change that clients are told of is told once, as it then was, with the node whose word
// it is: a refresh is none; that an owner is lost, and heard again, is this node's own.
func TestTable_TellsOfEachChangeWhoseWordItIs(t *testing.T) {
	var told []string
	now := time.Unix(1000, 0)
	tab := New(Config{Self: "a", Incarnation: 1, Now: func() time.Time { now = now.Add(time.Millisecond); return now }, Told: func(n Number, p Past) {
		told = append(told, fmt.Sprint(n, " ", p.What, " ", p.State, " ", p.Reason, " ", p.Owner, " by ", p.By))
	}})
	tab.Register("1", Registered)
	tab.Register("1", Registered) // a refresh is no change
	tab.End("1", tab.Register("1", Registered).ClaimTime, Expired)
	c, err := tab.Sync("b", 1, false)
	if err == nil {
		_, err = c.Apply([]Record{{Number: "2", ClaimTime: 5, State: InSrv, Reason: Registered, Since: 5}}, 0)
	}
	if err == nil {
		err = c.Synced(1)
	}
	if err != nil || !tab.SetHeard("b", true) {
		t.Fatal("the peer is not heard: ", err)
	}
	tab.SetHeard("b", false)
	tab.SetHeard("b", true)
	if _, err := c.Apply([]Record{{Number: "2", ClaimTime: 5, Seq: 1, State: OOS, Reason: Unregistered, Since: 9}}, 2); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 0 InSrv registered a by a", "1 0 OOS expired  by a",
		"2 0 InSrv registered b by b", "2 0 OOS peer-lost b by a", "2 0 InSrv registered b by a", "2 0 OOS unregistered  by b",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%q, want\n%q", told, want)
	}
}
