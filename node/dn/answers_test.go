package dn

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/node/feed"
)

// A phone that does not answer is in service for all and routable for none,
// at the owner and at who hears it, until it speaks or registers again.
func TestTable_WhoDoesNotAnswerIsNotRoutableAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, peer := New(Config{Self: "a", Incarnation: 1}), New(Config{Self: "b", Incarnation: 1})
		claim := owner.Register("1", Registered).ClaimTime
		link, copied := owner.Follow(feed.Position{}), copyOf(t, peer, "a", 1)
		clients := peer.Watch(feed.Position{})
		drain(t, clients)
		say := func(do string, want ...string) {
			t.Helper()
			for _, it := range drain(t, link) {
				if it.Kind == feed.Row || it.Kind == feed.Change {
					if _, err := copied.Apply([]Record{it.Record}, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			var got []string
			for _, it := range drain(t, clients) {
				got = append(got, fmt.Sprintf("%d %v %v", it.What, it.Status.State, it.Status.Reason))
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: the peer's clients hear %q, want %q", do, got, want)
			}
			for _, tab := range []*Table{owner, peer} {
				st, _ := tab.Get("1")
				if st.State == InSrv && st.Routable(false) == (st.Reason == Unresponsive) {
					t.Errorf("%s: %s has %+v", do, tab.Self(), st)
				}
			}
		}
		say("registered", fmt.Sprintf("%d InSrv registered", StateChange))
		owner.Answers("1", claim, false)
		say("silent", fmt.Sprintf("%d InSrv unresponsive", UseChange))
		owner.Answers("1", claim, false)
		say("silent again")
		peer.SetHeard("a", false)
		say("lost", fmt.Sprintf("%d OOS peer-lost", StateChange))
		peer.SetHeard("a", true)
		say("heard", fmt.Sprintf("%d InSrv unresponsive", StateChange))
		owner.Answers("1", claim, true)
		say("spoke", fmt.Sprintf("%d InSrv registered", UseChange))
		owner.Answers("1", claim, false)
		say("silent", fmt.Sprintf("%d InSrv unresponsive", UseChange))
		claim = owner.Register("1", Registered).ClaimTime
		say("registered again", fmt.Sprintf("%d InSrv registered", UseChange))
		owner.Answers("1", claim, false)
		owner.End("1", claim, Unresponsive)
		say("asked in vain", fmt.Sprintf("%d OOS unresponsive", StateChange))
	})
}

// Only the registration that the phone was asked under is spoken of.
func TestTable_AnswerOfAnEarlierRegistrationChangesNothing(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	old := tab.Register("1", Registered).ClaimTime
	claim := tab.Register("1", Registered).ClaimTime
	for _, c := range []struct {
		number Number
		claim  int64
		ok     bool
	}{{"1", old, false}, {"2", claim, false}, {"1", claim, true}} {
		if _, ok := tab.Answers(c.number, c.claim, false); ok != c.ok {
			t.Errorf("%+v: %v", c, ok)
		}
	}
	tab.End("1", claim, Unregistered)
	if _, ok := tab.Answers("1", claim, true); ok {
		t.Error("a DN that nobody has registered answers")
	}
	if st, _ := tab.Get("1"); st.State != OOS || st.Reason != Unregistered {
		t.Errorf("%+v", st)
	}
}

// What does not answer and moves is answered by the phone at the new owner;
// silence there is told with the move.
func TestTable_SilenceDoesNotMoveAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Self: "a", Incarnation: 1})
		claim := a.Register("1", Registered).ClaimTime
		a.Answers("1", claim, false)
		b := copyOf(t, a, "b", 1)
		for _, c := range []struct {
			reason, shown Reason
			routable      bool
		}{{Registered, OwnerMoved, true}, {Unresponsive, Unresponsive, false}, {Registered, Registered, true}} {
			claim++
			if _, err := b.Apply([]Record{{Number: "1", ClaimTime: claim, State: InSrv, Reason: c.reason}}, 0); err != nil {
				t.Fatal(err)
			}
			if st, _ := a.Get("1"); st.Owner != "b" || st.Reason != c.shown || st.Routable(false) != c.routable {
				t.Errorf("%v: %+v", c.reason, st)
			}
		}
	})
}
