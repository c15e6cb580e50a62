package dn

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

func TestLoss_OfWhom(t *testing.T) {
	away := &Agent{ID: "7", State: NotReady, Reasons: []KeyValue{{"reason", "lunch"}}, Since: 1}
	wraps := &Agent{ID: "7", State: NotReady, Mode: AfterCallWork, Since: 1}
	notReady, loggedOut := &Agent{ID: "7", State: NotReady, Reasons: desktopLost, Since: 9}, &Agent{ID: "7", State: LoggedOut, Reasons: desktopLost, Since: 9}
	out := &Agent{ID: "7", State: LoggedOut, Since: 1}
	for what, c := range map[string]struct {
		loss Loss
		a    *Agent
		ends bool
		want *Agent
	}{
		"who was ready":               {LossNotReady, ready("7"), false, notReady},
		"who was ready, to be kept":   {LossKeep, ready("7"), false, ready("7")},
		"who was ready, to be out":    {LossLogout, ready("7"), false, loggedOut},
		"who was away":                {LossNotReady, away, false, away},
		"who was away, to be out":     {LossLogout, away, false, loggedOut},
		"who would be ready":          {LossNotReady, wraps, true, notReady},
		"who would be, to be kept":    {LossKeep, wraps, true, wraps},
		"who was out":                 {LossLogout, out, false, out},
		"nobody":                      {LossLogout, nil, false, nil},
		"who has just logged in":      {LossNotReady, &Agent{ID: "7", State: LoggedIn, Since: 1}, false, &Agent{ID: "7", State: LoggedIn, Since: 1}},
		"who logged in, to be out":    {LossLogout, &Agent{ID: "7", State: LoggedIn, Since: 1}, false, loggedOut},
		"who was found gone already":  {LossNotReady, notReady, false, notReady},
		"who was found gone, and out": {LossLogout, loggedOut, false, loggedOut},
	} {
		got := c.loss.Of(c.a, c.ends, 9)
		if !got.Equal(c.want) || got.Bereaved() != c.want.Bereaved() {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

// The end of the DN and the agent's are one word: nobody sees an agent ready at a DN that has
// no desktop, and who registers it next finds him not ready, for good.
func TestTable_TheNextDesktopInheritsNoReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		r := tab.RegisterDesktop("1", Desktop{Loss: LossNotReady})
		amended(t, tab, "1", func(r *Record) { r.Agent = ready("7") })
		tab.WrapUp("1", time.Now().UnixNano(), time.Minute) // and would be ready again
		peers := tab.Follow(feed.Position{})
		drain(t, peers)
		if _, ok := tab.EndDesktop("1", r.ClaimTime-1, DesktopLost, LossNotReady); ok {
			t.Error("an older registration ended the DN")
		}
		end, ok := tab.EndDesktop("1", r.ClaimTime, DesktopLost, LossNotReady)
		if !ok || end.State != OOS || !end.Agent.Bereaved() || end.AgentLeft != 0 || end.Said == 0 {
			t.Errorf("the end: %v %+v, agent %+v", ok, end, end.Agent)
		}
		if items := drain(t, peers); len(items) != 1 || !items[0].Record.Agent.Bereaved() {
			t.Errorf("peers are told %+v", items)
		}
		next := tab.RegisterDesktop("1", Desktop{Loss: LossNotReady, Grace: time.Hour})
		if st, _ := tab.Get("1"); !next.Agent.Equal(end.Agent) || st.Routable(false) || st.State != InSrv {
			t.Errorf("the next one finds %+v", next.Agent)
		}
	})
}

// A desktop that takes the DN from a node that is heard takes the agent along as he is, and
// from one that is lost as long as its desktop may be on its way.
func TestTable_ADesktopTakesTheAgentAlong(t *testing.T) {
	for what, c := range map[string]struct {
		lost bool
		wait time.Duration
		loss Loss
		want AgentState
	}{
		"that moves":                    {false, time.Hour, LossNotReady, Ready},
		"of a node that was just lost":  {true, 29 * time.Second, LossNotReady, Ready},
		"of a node that was lost":       {true, 30 * time.Second, LossNotReady, NotReady},
		"of one that was lost, to keep": {true, time.Hour, LossKeep, Ready},
		"of one that was lost, to out":  {true, time.Hour, LossLogout, LoggedOut},
	} {
		synctest.Test(t, func(t *testing.T) {
			tab := New(Config{Self: "a", Incarnation: 1})
			copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv, Reason: Registered, Since: 1, Agent: ready("7")})
			if c.lost {
				tab.SetHeard("b", false)
			}
			<-time.After(c.wait)
			r := tab.RegisterDesktop("1", Desktop{Loss: c.loss, Grace: 30 * time.Second})
			if r.Agent.State != c.want || r.Agent.Bereaved() != (c.want != Ready) {
				t.Errorf("the desktop %s has %+v", what, r.Agent)
			}
		})
	}
}

// The old desktop ends while the new one's claim is on its way there: that is no loss. What
// the agent said there meanwhile counts.
func TestTable_TheOldDesktopsEndDoesNotFollowTheAgent(t *testing.T) {
	lunch := &Agent{ID: "7", State: NotReady, Reasons: []KeyValue{{"reason", "lunch"}}, Since: 2}
	for what, c := range map[string]struct {
		late Record
		want *Agent
	}{
		"its end":               {Record{State: OOS, Reason: DesktopLost, Agent: LossNotReady.Of(ready("7"), false, 9)}, ready("7")},
		"what he did, then it":  {Record{State: OOS, Reason: DesktopLost, Agent: lunch}, lunch},
		"only what he did":      {Record{State: InSrv, Reason: Registered, Agent: lunch}, lunch},
		"a loss that he was in": {Record{State: InSrv, Reason: Registered, Agent: LossNotReady.Of(ready("7"), false, 9)}, LossNotReady.Of(ready("7"), false, 9)},
	} {
		tab := New(Config{Self: "a", Incarnation: 1})
		peer := copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv, Reason: Registered, Since: 1, Agent: ready("7")})
		tab.RegisterDesktop("1", Desktop{Loss: LossNotReady})
		c.late.Number, c.late.ClaimTime, c.late.Seq = "1", 5, 3
		if _, err := peer.Apply([]Record{c.late}, 2); err != nil {
			t.Fatal(err)
		}
		if st, _ := tab.Get("1"); st.State != InSrv || st.Owner != "a" || !st.Agent.Equal(c.want) {
			t.Errorf("%s: %+v, agent %+v", what, st, st.Agent)
		}
	}
}

// What a desktop at another node gives back is registered here under the least claim: who
// registers it anywhere meanwhile keeps it.
func TestTable_TakesBackWhatAnotherDesktopLeft(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	tab.RegisterDesktop("1", Desktop{})
	taken := Record{Number: "1", ClaimTime: time.Now().Add(time.Minute).UnixNano(), State: InSrv, Reason: Registered, Since: 1, Agent: ready("7")}
	peer := copyOf(t, tab, "b", 1, taken)
	if _, ok := tab.TakeBack("1"); ok {
		t.Fatal("took back what is in service")
	}
	tab.SetHeard("b", false)
	if _, ok := tab.TakeBack("1"); ok {
		t.Fatal("took back what is perhaps in service")
	}
	tab.SetHeard("b", true)
	taken.State, taken.Reason, taken.Seq, taken.Agent = OOS, DesktopLost, 1, LossNotReady.Of(taken.Agent, false, 9)
	if _, err := peer.Apply([]Record{taken}, 2); err != nil {
		t.Fatal(err)
	}
	r, ok := tab.TakeBack("1")
	if st, _ := tab.Get("1"); !ok || r.ClaimTime != taken.ClaimTime+1 || st.State != InSrv || st.Owner != "a" || !st.Agent.Bereaved() {
		t.Errorf("%v %+v: %+v", ok, r, st)
	}
	if _, ok := tab.TakeBack("1"); ok {
		t.Error("took it back twice")
	}
	if _, ok := tab.TakeBack("2"); ok {
		t.Error("took back what nobody had")
	}
	taken.ClaimTime, taken.Seq, taken.State, taken.Reason = taken.ClaimTime+2, 0, InSrv, Registered
	if _, err := peer.Apply([]Record{taken}, 3); err != nil {
		t.Fatal(err)
	}
	if st, _ := tab.Get("1"); st.Owner != "b" {
		t.Errorf("whoever registered it since has lost it: %+v", st)
	}
}

// The registrations of a batch are those under a claim that is new, by the owner's clock:
// not what is said later under one, nor what takes back what somebody else left.
func TestCopy_Claims(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	peer := copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 50, Since: 50, State: InSrv})
	for what, c := range map[string]struct {
		batch []Record
		want  []int64
	}{
		"nothing": {nil, nil},
		"two registrations and a refresh": {[]Record{
			{Number: "2", ClaimTime: 60, Since: 60, State: InSrv}, {Number: "3", ClaimTime: 61, Since: 61, State: InSrv}, {Number: "2", ClaimTime: 70, Since: 60, State: InSrv},
		}, []int64{60, 61, 70}},
		"the same claim":    {[]Record{{Number: "1", ClaimTime: 50, Seq: 1, Since: 50, State: InSrv, Agent: ready("7")}}, nil},
		"an end":            {[]Record{{Number: "1", ClaimTime: 50, Seq: 2, Since: 90, State: OOS, Reason: Expired}}, nil},
		"taken back":        {[]Record{{Number: "4", ClaimTime: 60, Since: 90, State: InSrv}}, nil},
		"what is no record": {[]Record{{Number: "5", ClaimTime: -1, State: InSrv}}, nil},
	} {
		if _, err := peer.Apply(c.batch, 0); err != nil {
			t.Fatal(what, err)
		}
		if got := peer.Claims(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}
