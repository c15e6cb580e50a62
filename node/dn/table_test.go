package dn

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

func TestStatus_Routable(t *testing.T) {
	agent := func(s AgentState) *Agent { return &Agent{ID: "7", State: s} }
	for name, c := range map[string]struct {
		status             Status
		plain, loginNeeded bool
	}{
		"in service":       {Status{State: InSrv}, true, false},
		"out of service":   {Status{State: OOS}, false, false},
		"busy":             {Status{State: InSrv, Busy: true}, false, false},
		"reserved":         {Status{State: InSrv, Reserved: true}, false, false},
		"does not answer":  {Status{State: InSrv, Reason: Unresponsive, Agent: agent(Ready)}, false, false},
		"agent ready":      {Status{State: InSrv, Agent: agent(Ready)}, true, true},
		"agent not ready":  {Status{State: InSrv, Agent: agent(NotReady)}, false, false},
		"agent logged in":  {Status{State: InSrv, Agent: agent(LoggedIn)}, false, false},
		"agent logged out": {Status{State: InSrv, Agent: agent(LoggedOut)}, true, false},
		"ready but OOS":    {Status{State: OOS, Agent: agent(Ready)}, false, false},
		"ready but busy":   {Status{State: InSrv, Busy: true, Agent: agent(Ready)}, false, false},
	} {
		if p, l := c.status.Routable(false), c.status.Routable(true); p != c.plain || l != c.loginNeeded {
			t.Errorf("%s: %v, with a login needed %v", name, p, l)
		}
	}
}

func TestVersion_Less(t *testing.T) {
	in := []Version{{Claim{1, "a"}, 5}, {Claim{1, "a"}, 6}, {Claim{1, "b"}, 0}, {Claim{1, "b"}, 9}, {Claim{2, "a"}, 0}}
	for i, v := range in {
		for j, w := range in {
			if v.Less(w) != (i < j) {
				t.Errorf("%+v before %+v: %v", v, w, v.Less(w))
			}
		}
	}
}

// The end of a registration is told under its claim alone, once, to clients and peers.
func TestTable_EndIsThatOfTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		old := tab.Register("1", Registered)
		r := tab.Register("1", Registered)
		clients, peers := tab.Watch(feed.Position{}), tab.Follow(feed.Position{})
		drain(t, clients)
		drain(t, peers)
		if _, ok := tab.End("1", old.ClaimTime, Expired); ok {
			t.Error("ended by an older claim")
		}
		if _, ok := tab.End("2", r.ClaimTime, Expired); ok {
			t.Error("a DN that nobody registered ends")
		}
		ended, ok := tab.End("1", r.ClaimTime, Expired)
		if !ok || ended.Seq != r.Seq+1 || ended.ClaimTime != r.ClaimTime || ended.State != OOS || ended.Reason != Expired || ended.Since <= r.Since {
			t.Errorf("ended %+v after %+v", ended, r)
		}
		if _, ok := tab.End("1", r.ClaimTime, Unregistered); ok {
			t.Error("it ends twice")
		}
		if items := drain(t, clients); len(items) != 1 || items[0].Status.Reason != Expired || items[0].Status.Since != ended.Since {
			t.Errorf("clients are told %+v", items)
		}
		if items := drain(t, peers); len(items) != 1 || items[0].Record != ended {
			t.Errorf("peers are told %+v", items)
		}
	})
}

// What an earlier incarnation wrote comes back as it was, and is exceeded.
func TestTable_RestoreAndFloor(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 2, Floor: time.Now().Add(time.Hour).UnixNano()})
	was := Record{Number: "1", ClaimTime: 9, Seq: 4, State: InSrv, Reason: Registered, Since: 3, Agent: ready("7")}
	tab.Restore(was)
	if got, ok := tab.Own("1"); !ok || got != was {
		t.Errorf("%+v, want %+v", got, was)
	}
	tab.Restore(Record{Number: "1", ClaimTime: 9, Seq: 5, State: InSrv, Reason: Registered}) // without a word on the agent
	if got, _ := tab.Own("1"); !got.Agent.Equal(was.Agent) {
		t.Errorf("the agent is lost: %+v", got)
	}
	if s := unread(tab.Follow(feed.Position{})); len(s) != 3 || s[1].Record.Number != "1" {
		t.Errorf("peers are told %+v", s)
	}
	if r := tab.Register("2", Registered); r.ClaimTime <= tab.cfg.Floor {
		t.Errorf("a claim at %d, the floor is %d", r.ClaimTime, tab.cfg.Floor)
	}
	first := tab.MaxClaim()
	if r := tab.Register("2", Registered); r.ClaimTime <= first || tab.MaxClaim() != r.ClaimTime {
		t.Errorf("claim %d after %d, the greatest is %d", r.ClaimTime, first, tab.MaxClaim())
	}
}

// What no peer may say, at its exact limits.
func TestCopy_LimitsOfARecord(t *testing.T) {
	name := func(n int) string { return string(make([]byte, n)) }
	for what, c := range map[string]struct {
		change func(*Record)
		ok     bool
	}{
		"a claim of no time":        {func(r *Record) { r.ClaimTime = 0 }, false},
		"the first claim":           {func(r *Record) { r.ClaimTime = 1 }, true},
		"the last claim":            {func(r *Record) { r.ClaimTime = maxClaimTime }, true},
		"a claim behind it":         {func(r *Record) { r.ClaimTime = maxClaimTime + 1 }, false},
		"a state that is none":      {func(r *Record) { r.State = InSrv + 1 }, false},
		"the last reason":           {func(r *Record) { r.Reason = reasons - 1 }, true},
		"a reason that is none":     {func(r *Record) { r.Reason = reasons }, false},
		"the longest holder":        {func(r *Record) { r.Reserved = Reservation{Holder: name(128), Left: 1} }, true},
		"a holder that is longer":   {func(r *Record) { r.Reserved = Reservation{Holder: name(129), Left: 1} }, false},
		"the longest reservation":   {func(r *Record) { r.Reserved = Reservation{Holder: "x", Left: int64(time.Hour)} }, true},
		"a reservation for longer":  {func(r *Record) { r.Reserved = Reservation{Holder: "x", Left: int64(time.Hour) + 1} }, false},
		"a reservation of the past": {func(r *Record) { r.Reserved = Reservation{Holder: "x", Left: -1} }, false},
	} {
		tab := New(Config{Self: "a", Incarnation: 1})
		r := Record{Number: "1", ClaimTime: 5, State: InSrv, Reason: Registered}
		c.change(&r)
		n, err := copyOf(t, tab, "b", 1).Apply([]Record{r}, 2)
		if _, known := tab.Get("1"); known != c.ok || (n == 0) != c.ok || err != nil {
			t.Errorf("%s: taken %v, %d rejected, %v", what, known, n, err)
		}
	}
}

// A copy that was synced can be resumed from behind the last batch.
func TestCopy_PositionIsBehindTheLastBatch(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	c := copyOf(t, tab, "b", 7) // synced at 1
	if _, err := c.Apply([]Record{{Number: "1", ClaimTime: 5, State: InSrv}}, 9); err != nil {
		t.Fatal(err)
	}
	if p := tab.Position("b"); p != (feed.Position{Incarnation: 7, Seq: 9}) {
		t.Errorf("%+v", p)
	}
	if _, err := c.Apply([]Record{{Number: "2", ClaimTime: 5, State: InSrv}}, 0); err != nil { // a row has no position
		t.Fatal(err)
	}
	if p := tab.Position("b"); p.Seq != 9 {
		t.Errorf("%+v", p)
	}
}
