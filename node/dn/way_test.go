package dn

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// mesh is three tables, each of which follows the others.
type mesh struct {
	a, b, x *Table
	links   []*link
	news    *Stream
}

// newMesh has a phone registered at a, then at b; x, whose clients' stream is news, hears both.
func newMesh(t *testing.T) *mesh {
	m := &mesh{a: New(Config{Self: "a", Incarnation: 1}), b: New(Config{Self: "b", Incarnation: 1}), x: New(Config{Self: "x", Incarnation: 1})}
	for _, to := range []*Table{m.a, m.b, m.x} {
		for _, from := range []*Table{m.a, m.b, m.x} {
			if to != from {
				m.links = append(m.links, connect(to, from))
			}
		}
	}
	m.a.RegisterWay("1", Registered, Way{7, 1})
	m.deliver(t)
	m.b.RegisterWay("1", Registered, Way{7, 2})
	m.deliver(t)
	m.news = m.x.Tail()
	return m
}

// deliver has everybody hear everything, and what that makes others say.
func (m *mesh) deliver(t *testing.T) {
	t.Helper()
	for range 2 {
		for _, l := range m.links {
			l.deliver(t)
		}
	}
}

// told is what x's clients hear, in order.
func (m *mesh) told(t *testing.T) (said []string) {
	t.Helper()
	for _, it := range drain(t, m.news) {
		what := map[What]string{StateChange: "state", OwnerChange: "owner", AgentChange: "agent", UseChange: "use"}[it.What]
		if it.What == OwnerChange && it.Status.Previous == it.Status.Owner {
			t.Errorf("%s is said to have had it before", it.Status.Previous)
		}
		said = append(said, fmt.Sprint(what, " ", it.Status.State, " ", it.Status.Owner))
	}
	return said
}

func TestTable_TheStandbyTakesOverInService(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*testing.T, *mesh)
		want []string
	}{
		"refreshes": {func(t *testing.T, m *mesh) {
			m.b.RegisterWay("1", Registered, Way{7, 2})
			m.deliver(t)
			m.a.RegisterWay("1", Registered, Way{7, 1})
			m.deliver(t)
		}, nil},
		"owner lost":   {func(_ *testing.T, m *mesh) { m.x.SetHeard("a", false) }, []string{"owner InSrv b"}},
		"standby lost": {func(_ *testing.T, m *mesh) { m.x.SetHeard("b", false) }, nil},
		"owner lost and heard again": {func(t *testing.T, m *mesh) {
			m.x.SetHeard("a", false)
			m.told(t)
			m.b.RegisterWay("1", Registered, Way{7, 2})
			m.deliver(t)
			m.x.SetHeard("a", true)
		}, []string{"owner InSrv a"}},
		"both lost": {func(t *testing.T, m *mesh) {
			m.x.SetHeard("a", false)
			m.told(t)
			m.x.SetHeard("b", false)
		}, []string{"state OOS a"}},
		"un-REGISTER at the owner": {func(t *testing.T, m *mesh) {
			r, _ := m.a.Own("1")
			m.a.End("1", r.ClaimTime, Unregistered)
			m.deliver(t)
		}, []string{"owner InSrv b"}},
		"un-REGISTER at the standby": {func(t *testing.T, m *mesh) {
			r, _ := m.b.Own("1")
			m.b.End("1", r.ClaimTime, Unregistered)
			m.deliver(t)
		}, nil},
		"the owner's way falls silent and speaks": {func(t *testing.T, m *mesh) {
			r, _ := m.a.Own("1")
			m.a.Answers("1", r.ClaimTime, false)
			m.deliver(t)
			m.told(t)
			m.a.Answers("1", r.ClaimTime, true)
			m.deliver(t)
			m.a.RegisterWay("1", Registered, Way{7, 1})
			m.deliver(t)
		}, nil},
		"the owner's way moves": {func(t *testing.T, m *mesh) {
			m.x.RegisterWay("1", Registered, Way{7, 1})
			m.deliver(t)
			if _, kept := m.a.Own("1"); kept {
				t.Error("the node that it left still has it")
			}
			if _, kept := m.b.Own("1"); !kept {
				t.Error("the other one lost it")
			}
		}, []string{"owner InSrv b"}},
		"another phone": {func(t *testing.T, m *mesh) {
			m.x.Register("1", Registered)
			m.deliver(t)
			for _, tab := range []*Table{m.a, m.b} {
				if _, kept := tab.Own("1"); kept {
					t.Errorf("%s still has the DN", tab.Self())
				}
			}
		}, []string{"state InSrv x"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t)
				c.do(t, m)
				if got := m.told(t); fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("told %q, want %q", got, c.want)
				}
			})
		})
	}
}

// Both sides of a cut serve the DN; after the heal the agent's last word holds, said at
// whichever side.
func TestTable_TheAgentStaysThroughACutBetweenTheWays(t *testing.T) {
	for _, last := range []string{"a", "b"} {
		t.Run("the last word at "+last, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t)
				amended(t, m.a, "1", func(r *Record) { r.Agent = ready("1") })
				m.deliver(t)
				if r, _ := m.b.Own("1"); !r.Agent.Equal(ready("1")) {
					t.Fatalf("the standby knows of %+v", r.Agent)
				}
				m.a.SetHeard("b", false)
				m.b.SetHeard("a", false)
				sides := []*Table{m.a, m.b}
				if last == "a" {
					sides = []*Table{m.b, m.a}
				}
				for i, tab := range sides {
					<-time.After(time.Millisecond)
					if st, _ := tab.Get("1"); st.State != InSrv || st.Owner != tab.Self() || !st.Agent.Equal(ready(fmt.Sprint(1+i))) && i == 0 {
						t.Fatalf("%s has %+v", tab.Self(), st)
					}
					amended(t, tab, "1", func(r *Record) { r.Agent = ready(fmt.Sprint(2 + i)) })
				}
				m.a.SetHeard("b", true)
				m.b.SetHeard("a", true)
				m.deliver(t)
				for _, tab := range []*Table{m.a, m.b, m.x} {
					if st, _ := tab.Get("1"); st.Owner != "a" || st.Standby != "b" || !st.Agent.Equal(ready("3")) {
						t.Errorf("%s has %+v, agent %+v", tab.Self(), st, st.Agent)
					}
				}
			})
		})
	}
}

// Of a DN whose phone can't tell its registrations apart the two newest count.
func TestTable_OfAPairTheOldestOfThreeGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		for i, tab := range []*Table{m.a, m.b, m.x} {
			tab.RegisterWay("2", Registered, Way{Pair, uint16(i)})
			m.deliver(t)
		}
		if _, kept := m.a.Own("2"); kept {
			t.Error("the oldest is still there")
		}
		for _, tab := range []*Table{m.a, m.b, m.x} {
			if st, _ := tab.Get("2"); st.State != InSrv || st.Owner != "b" || st.Standby != "x" {
				t.Errorf("%s has %+v", tab.Self(), st)
			}
		}
	})
}

// A client that was away while the DN came back, and changed its owner then, hears both.
func TestWatch_ASwitchDoesNotHideThatTheDNIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		m.x.SetHeard("a", false)
		m.x.SetHeard("b", false)
		if got := m.told(t); fmt.Sprint(got) != "[state OOS a]" {
			t.Fatalf("told %q", got)
		}
		m.x.SetHeard("b", true)
		m.x.SetHeard("a", true)
		if got := m.told(t); fmt.Sprint(got) != "[state InSrv a owner InSrv a]" {
			t.Errorf("told %q", got)
		}
	})
}

// A phone's first flow went from a to b while nobody heard anybody, and ended there; its second
// one began at b and went to x. So b alone knows that a's is over, and b has lost the DN.
func TestTable_AWayThatWasLeftStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{a: New(Config{Self: "a", Incarnation: 1}), b: New(Config{Self: "b", Incarnation: 1}), x: New(Config{Self: "x", Incarnation: 1})}
		m.a.RegisterWay("1", Registered, Way{7, 1})
		for _, step := range []func(){
			func() { r := m.b.RegisterWay("1", Registered, Way{7, 1}); m.b.End("1", r.ClaimTime, Unregistered) },
			func() { m.b.RegisterWay("1", Registered, Way{7, 2}) },
			func() { m.x.RegisterWay("1", Registered, Way{7, 2}) },
		} {
			<-time.After(time.Millisecond)
			step()
		}
		connect(m.b, m.x).deliver(t)
		<-time.After(2 * dropDelay)
		for _, l := range [][2]*Table{{m.a, m.b}, {m.a, m.x}, {m.b, m.a}, {m.b, m.x}, {m.x, m.a}, {m.x, m.b}} {
			m.links = append(m.links, connect(l[0], l[1]))
		}
		m.deliver(t)
		if _, kept := m.a.Own("1"); kept {
			t.Error("a still has the DN")
		}
		for _, tab := range []*Table{m.a, m.b, m.x} {
			if st, _ := tab.Get("1"); st.State != InSrv || st.Owner != "x" || st.Standby != "" {
				t.Errorf("%s has %+v", tab.Self(), st)
			}
		}
		m.x.RegisterWay("1", Registered, Way{7, 2}) // who has heard of all that
		m.deliver(t)
		m.deliver(t)
		for _, tab := range []*Table{m.a, m.b, m.x} {
			if e := tab.entries["1"]; len(e.recs) != 1 || e.late != nil {
				t.Errorf("%s has %d records, something to say: %v", tab.Self(), len(e.recs), e.late)
			}
		}
	})
}

// Another phone's claim is of the same time as a way's, whose node's id is the greater one: the
// way counts, and does when the other one is refreshed.
func TestTable_ClaimsOfTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(Config{Self: "x", Incarnation: 1})
		x.RegisterWay("1", Registered, Way{7, 1})
		at := time.Now().UnixNano() - 5
		copyOf(t, x, "b", 1, Record{Number: "1", ClaimTime: at, State: InSrv, Reason: Registered, Since: at})
		copyOf(t, x, "c", 1, Record{Number: "1", ClaimTime: at, State: InSrv, Reason: Registered, Since: at - 9, Way: Way{7, 2}})
		for range 2 {
			if st, _ := x.Get("1"); st.Owner != "c" || st.Standby != "x" {
				t.Errorf("%+v", st)
			}
			x.RegisterWay("1", Registered, Way{7, 1})
		}
	})
}
