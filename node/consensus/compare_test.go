package consensus

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

func TestJudge(t *testing.T) {
	a, b, c := fsm.Sum{1}, fsm.Sum{2}, fsm.Sum{3}
	type sums = map[string]fsm.Sum
	for _, x := range []struct {
		what   string
		others sums
		roster int
		want   verdict
		who    []string
	}{
		{"alone", nil, 1, agreed, nil},
		{"nobody answers", nil, 3, agreed, nil},
		{"all alike", sums{"2": a, "3": a}, 3, agreed, nil},
		{"one of three differs", sums{"2": a, "3": b}, 3, differs, []string{"3"}},
		{"both others have the same other one", sums{"2": b, "3": b}, 3, outvoted, []string{"2", "3"}},
		{"three different ones", sums{"2": b, "3": c}, 3, differs, []string{"2", "3"}},
		{"one of two", sums{"2": b}, 2, differs, []string{"2"}},
		{"two of five, two are silent", sums{"2": b, "3": b}, 5, differs, []string{"2", "3"}},
		{"three of five", sums{"2": b, "3": b, "4": b, "5": a}, 5, outvoted, []string{"2", "3", "4"}},
		{"two of four are no majority", sums{"2": b, "3": b, "4": a}, 4, differs, []string{"2", "3"}},
		{"three of four", sums{"2": b, "3": b, "4": b}, 4, outvoted, []string{"2", "3", "4"}},
	} {
		got, who := judge(a, x.others, x.roster)
		slices.Sort(who)
		if got != x.want || !slices.Equal(who, x.who) {
			t.Errorf("%s: %v %v, want %v %v", x.what, got, who, x.want, x.who)
		}
	}
}

// Whose state a majority doesn't have stops applying and takes theirs, also when it
// leads; writes go on meanwhile.
func TestCompare_WhoIsOutvotedTakesItsStateAnew(t *testing.T) {
	for name, pick := range map[string]func(leader *member, all []*member) *member{
		"a follower": func(l *member, all []*member) *member { return followers(l, all...)[0] },
		"the leader": func(l *member, all []*member) *member { return l },
	} {
		t.Run(name, func(t *testing.T) {
			c, m := steady(t)
			wrong := pick(c.leader(m[:]...), m[:])
			right := followers(wrong, m[:]...)
			diverge(t, wrong)
			right[0].write(1001)
			c.waitFor("the right state everywhere", func() bool {
				return wrong.machine.Restores() > 0 && wrong.machine.Parked() == nil && wrong.machine.View().Group("bad") == nil
			})
			right[1].write(1002)
			c.leader(m[:]...)
			c.equal(m[:]...)
			c.waitFor("one mark", func() bool {
				return m[0].machine.Mark() == m[1].machine.Mark() && m[0].machine.Mark() == m[2].machine.Mark()
			})
		})
	}
}

// diverge gives the machine what the log doesn't have: at the index of the next entry.
func diverge(t *testing.T, m *member) {
	t.Helper()
	if r := m.machine.ApplyCommand(proposal(&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "bad"}}})); r.Err != nil {
		t.Fatal(r.Err)
	}
}

// Two nodes have no majority: nobody stops, and both say it.
func TestCompare_WithoutAMajorityNobodyStops(t *testing.T) {
	c := newCluster(t)
	a, b := c.patient("a"), c.patient("b")
	a.bootstrap()
	b.startJoined(a)
	c.waitFor("two voters", func() bool { return a.voters() == 2 && b.voters() == 2 })
	c.equal(a, b)
	diverge(t, b)
	a.write(1001)
	c.waitFor("a warning at both", func() bool {
		return slices.Equal(a.group.Differing(), []string{"id-b"}) && slices.Equal(b.group.Differing(), []string{"id-a"})
	})
	a.write(1002)
	c.waitFor("a write at both", func() bool { return a.machine.View().DN("1002") != nil && b.machine.View().DN("1002") != nil })
	if a.machine.Parked() != nil || b.machine.Parked() != nil {
		t.Errorf("parked: %v, %v", a.machine.Parked(), b.machine.Parked())
	}
}
