package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func five() *run {
	r := newRun()
	r.h.Nodes = append(r.h.Nodes, history.Node{Name: "n4"}, history.Node{Name: "n5"})
	return r
}

// votes has every node say who votes, again and again.
func (r *run) votes(from, to float64, voters ...string) *run {
	for t := from; t <= to; t++ {
		for _, n := range r.h.Nodes {
			r.status(t, history.Status{Node: n.Name, Voters: voters})
		}
	}
	return r
}

func add(node, key string) history.Op {
	return history.Op{Process: "admin", Kind: history.Add, Node: node, Key: key}
}

func removes(node, at string) history.Op {
	return history.Op{Process: "operator", Kind: history.Roster, Node: at, Key: node, Arg: "remove"}
}

// deadAndCut is a cluster of five: one is dead, two are cut away from the other two.
func deadAndCut() *run {
	return five().votes(1, 60, "n1", "n2", "n3", "n4", "n5").down(20, 50, "n5").
		fault(25, 45, "cut", history.Effect{Cut: ways([]string{"n1", "n2"}, "n3", "n4")})
}

func clone(outcome history.Outcome, says string) history.Op {
	return history.Op{Process: "operator", Kind: history.Clone, Node: "n2", Key: "n2", From: "10.0.0.2:7002", Outcome: outcome, Error: says}
}

func TestVoters(t *testing.T) {
	named := "another process of node n2 runs already, at 10.0.0.2:7002"
	clones := func(r *run, at float64, n uint64) *run {
		zero := uint64(0)
		return r.status(at, history.Status{Node: "n1", Refused: &zero, Clones: &n})
	}
	for name, c := range map[string]struct {
		run  *run
		want bool
		// looked: something was judged
		looked bool
	}{
		"nothing":                                    {newRun(), false, false},
		"two of five decide":                         {deadAndCut().op(40, 40.1, add("n3", "e1")), true, true},
		"the other two of five decide":               {deadAndCut().op(40, 40.1, add("n1", "e1")), true, true},
		"two of five refuse":                         {deadAndCut().op(40, 42, opOf(add("n3", "e1")).with(history.Fail, "Unavailable")), false, false},
		"three of five decide":                       {five().votes(1, 60, "n1", "n2", "n3", "n4", "n5").fault(25, 45, "cut", history.Effect{Cut: ways([]string{"n1", "n2"}, "n3", "n4", "n5")}).op(40, 40.1, add("n3", "e1")), false, true},
		"it may have been decided before the cut":    {deadAndCut().op(24.9, 26, add("n3", "e1")), false, true},
		"two of three voters, of five nodes":         {five().votes(1, 60, "n3", "n4", "n5").down(20, 50, "n5").fault(25, 45, "cut", history.Effect{Cut: ways([]string{"n1", "n2"}, "n3", "n4")}).op(40, 40.1, add("n3", "e1")), false, true},
		"a second process is refused":                {clones(clones(newRun(), 5, 0).op(10, 11, clone(history.Fail, named)), 12, 1), false, true},
		"a second process goes on":                   {newRun().op(10, 31, clone(history.OK, "")), true, true},
		"a second process is not told why":           {newRun().op(10, 11, clone(history.Fail, "exit code 1")), true, true},
		"nobody counts the second process":           {clones(clones(newRun(), 5, 3).op(10, 11, clone(history.Fail, named)), 12, 3), true, true},
		"a second process while the first is paused": {newRun().fault(9, 32, "pause", history.Effect{Paused: []string{"n2"}}).op(10, 31, clone(history.OK, "")), false, false},
		"the living one of two is removed":           {newRun().votes(1, 60, "n1", "n2", "n3").down(20, 60, "n3").op(30, 30.1, removes("n2", "n1")), true, true},
		"the dead one of three is removed":           {newRun().votes(1, 60, "n1", "n2", "n3").down(20, 60, "n3").op(30, 30.1, removes("n3", "n1")), false, true},
		"a removal by those who are cut off":         {newRun().votes(1, 60, "n1", "n2", "n3").cutOff(20, 60).op(30, 30.1, removes("n1", "n3")), true, true},
		"a majority lives and writes":                {newRun().down(20, 60, "n3").op(40, 40.1, add("n1", "e1")), false, true},
		"a majority lives and can't write":           {newRun().down(20, 60, "n3").op(40, 42, opOf(add("n1", "e1")).with(history.Fail, "Unavailable")), true, true},
		"a majority lives, for a moment":             {newRun().down(20, 60, "n3").op(25, 27, opOf(add("n1", "e1")).with(history.Fail, "Unavailable")), false, false},
		"the roster follows who moved":               {allMove().dump(90, history.Dump{Node: "n1"}), false, true},
		"the roster stays behind who moved":          {allMove().dump(90, history.Dump{Node: "n1", Misplaced: []string{"n2"}}), true, true},
		"no majority lives":                          {newRun().down(20, 60, "n3", "n2").op(40, 42, opOf(add("n1", "e1")).with(history.Fail, "Unavailable")), false, false},
		"a majority lives, and is cut":               {newRun().down(20, 60, "n3").fault(22, 50, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2")}).op(40, 42, opOf(add("n1", "e1")).with(history.Fail, "Unavailable")), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(&c.run.h, history.Bounds{}.WithDefaults())
			found, looked := all(secondProcesses, quorumOfItsOwn, removalsLeaveAWriter, rosterFollows)(m)
			if len(found) > 0 != c.want || looked > 0 != c.looked {
				t.Errorf("looked at %d, want some: %v; found, want some: %v: %v", looked, c.looked, c.want, found)
			}
		})
	}
}

// allMove kills three nodes and starts them again at 30 s.
func allMove() *run {
	r := newRun().fault(20, 30, "move-all", history.Effect{Down: []string{"n1", "n2", "n3"}, Moved: []string{"n1", "n2", "n3"}})
	for _, n := range []string{"n1", "n2", "n3"} {
		r.life(0, n, history.Launched, "").life(0.1, n, history.Ready, "").life(20, n, history.Killed, "").life(20.1, n, history.Exited, "")
	}
	for _, n := range []string{"n1", "n2", "n3"} {
		r.life(30, n, history.Launched, "").life(30.04, n, history.Ready, "")
	}
	return r
}

func TestFirstWrites(t *testing.T) {
	late := opOf(add("n1", "e0")).with(history.Fail, "Unavailable")
	for name, c := range map[string]struct {
		run             *run
		found, lookedAt int
	}{
		"nobody tried":                    {allMove(), 0, 0},
		"soon":                            {allMove().op(30.1, 32.1, late).op(32.2, 32.3, add("n2", "e1")), 0, 1},
		"late":                            {allMove().op(30.1, 32.1, late).op(36, 36.1, add("n2", "e1")), 1, 1},
		"never":                           {allMove().op(30.1, 32.1, late), 1, 1},
		"something else is wrong":         {allMove().fault(31, 33, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2", "n3")}).op(30.1, 32.1, late), 0, 0},
		"a majority ran all the time":     {newRun().down(20, 30, "n1").op(30.1, 32.1, late), 0, 0},
		"one of the three does not start": {newRun().down(20, 30, "n1", "n2", "n3").down(30.2, 60, "n2", "n3").op(30.1, 32.1, late), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			found, looked := firstWrites(newModel(&c.run.h, history.Bounds{}.WithDefaults()))
			if len(found) != c.found || looked != c.lookedAt {
				t.Errorf("found %v, looked at %d; want %d and %d", found, looked, c.found, c.lookedAt)
			}
		})
	}
}

// stopping is a run in which n1, which leads, is told to stop at 30 s.
func stopping(ends float64) *run {
	r := newRun().fault(30, 40, "stop-leader", history.Effect{Down: []string{"n1"}})
	for i := range 3 {
		n := fmt.Sprintf("n%d", i+1)
		r.life(0, n, history.Launched, "").life(0.1, n, history.Ready, "").status(29, history.Status{Node: n, Leader: "n1"})
	}
	return r.life(30, "n1", history.Stopping, "").life(30+ends, "n1", history.Exited, "").life(40, "n1", history.Launched, "").life(40.04, "n1", history.Ready, "")
}

func TestHandedOver(t *testing.T) {
	for name, c := range map[string]struct {
		run   *run
		found int
	}{
		"at once":                        {stopping(0.1).op(29.9, 30.2, add("n2", "e1")).op(30.1, 30.2, add("n3", "e2")), 0},
		"after an election":              {stopping(0.1).op(30.1, 33, add("n2", "e1")), 1},
		"refused":                        {stopping(0.1).op(30.1, 32, opOf(add("n2", "e1")).with(history.Fail, "Unavailable")), 1},
		"the one that stops refuses":     {stopping(0.1).op(30.05, 30.1, opOf(add("n1", "e1")).with(history.Fail, "Unavailable")), 0},
		"another one is cut":             {stopping(0.1).fault(29, 33, "cut", history.Effect{Cut: ways([]string{"n2"}, "n3")}).op(30.1, 33, add("n2", "e1")), 0},
		"writes were slow before":        {stopping(0.1).op(26, 27, add("n3", "e0")).op(30.1, 33, add("n2", "e1")), 0},
		"another one led":                {stopping(0.1).status(29.5, history.Status{Node: "n2", Leader: "n3"}).op(30.1, 33, add("n2", "e1")), 0},
		"the process stays for too long": {stopping(6).op(30.1, 30.2, add("n2", "e1")), 1},
	} {
		t.Run(name, func(t *testing.T) {
			found, looked := handedOver(newModel(&c.run.h, history.Bounds{}.WithDefaults()))
			if len(found) != c.found || looked == 0 {
				t.Errorf("found %v, looked at %d; want %d", found, looked, c.found)
			}
		})
	}
}

// TestNamed: who was removed has its id alone, and nobody else has.
func TestNamed(t *testing.T) {
	shows := func(r *run, owner string) *run {
		return r.registers(1, "n2", "7", "b", 0).sees(10, "n1", in("7", owner)).sees(31, "n1", in("7", owner))
	}
	removed := newRun().op(9, 9.1, removes("n2", "n1")).op(30, 30.1, removes("n2", "n1"))
	expect(t, []sample{
		{"a node that was removed", shows(removed, "n2.0a1b2c3d"), nil},
		{"a node that was not", shows(newRun(), "n2.0a1b2c3d"), []ID{"S3"}},
	})
}

func secondProcess(h *history.History, m *model) {
	calm := m.allCalm()[0]
	h.Ops = append(h.Ops, history.Op{
		ID: 1 << 40, Process: "operator", Kind: history.Clone, Node: "n2", Key: "n2", From: "10.0.0.2:7002",
		Invoke: calm.From + 1, Return: min(calm.To, calm.From+time.Second), Outcome: history.OK,
	})
}

func fewVotersDecide(h *history.History, m *model) {
	minorityWrites(h, m)
	for i := range h.Statuses {
		h.Statuses[i].Voters = m.regular
	}
}
