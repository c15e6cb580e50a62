package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// secondProcesses is the first part of S24: while a process of a node lives, a second
// one of it is refused, is told where the first one is, and is counted.
func secondProcesses(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		s := Span{op.Invoke, op.Return}
		if op.Kind != history.Clone || op.Outcome == history.Unknown || m.stopped[op.Key].touch(s) || m.alone(op.Key, s) {
			continue
		}
		looked++
		if text := m.takenForTheFirst(op); text != "" {
			out = append(out, m.opFinding(op, text))
		}
	}
	return out, looked
}

// takenForTheFirst says what is wrong with the fate of a second process.
func (m *model) takenForTheFirst(op *history.Op) string {
	switch {
	case op.OK():
		return fmt.Sprintf("a second process of %s went on beside the first one", op.Key)
	case !strings.Contains(op.Error, op.From):
		return fmt.Sprintf("a second process of %s was not told that the first one is at %s", op.Key, op.From)
	}
	known, counted := false, false
	for _, node := range m.nodes {
		before, after := m.statusAround(node, op.Invoke, op.Return)
		if node == op.Key || before == nil || after == nil || before.Clones == nil || after.Clones == nil || m.stopped[node].touch(Span{before.Asked, after.Answered}) {
			continue
		}
		known = true
		counted = counted || *after.Clones > *before.Clones
	}
	if known && !counted {
		return fmt.Sprintf("a second process of %s was refused, and nobody counted it", op.Key)
	}
	return ""
}

// quorumOfItsOwn is the second part: who acknowledged a change can have reached a
// majority of those who vote, as one of the nodes knew them around that time, wherever
// the others' addresses were.
func quorumOfItsOwn(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if !m.changed(op) {
			continue
		}
		s := Span{op.Invoke, op.Return}
		voters := m.votersAround(s)
		if len(voters) == 0 || !slices.ContainsFunc(m.nodes, func(n string) bool { return !m.mayTalk(op.Node, n, s) }) {
			continue
		}
		if looked++; !slices.ContainsFunc(voters, func(v []string) bool { return m.decided(op.Node, v, s) }) {
			out = append(out, m.opFinding(op, fmt.Sprintf("%s acknowledged a %s, and reached no majority of the voters %s",
				op.Node, op.Kind, strings.Join(voters[len(voters)-1], ", "))))
		}
	}
	return merge(out), looked
}

// changed tells whether the operation surely changed the configuration.
func (m *model) changed(op *history.Op) bool {
	switch op.Kind {
	case history.Write, history.Add, history.Roster:
		return op.OK()
	case history.Swap:
		return op.OK() && op.Swapped
	}
	return false
}

// votersAround are the sets of voters that a node told of shortly before, during or
// shortly after s, each once.
func (m *model) votersAround(s Span) (sets [][]string) {
	near := Span{minus(s.From, m.b.ConvergeRestart), plus(s.To, m.b.Converge)}
	for i := range m.h.Statuses {
		st := &m.h.Statuses[i]
		if near.contains(Span{st.Asked, st.Answered}) && len(st.Voters) > 0 && !slices.ContainsFunc(sets, func(v []string) bool { return slices.Equal(v, st.Voters) }) {
			sets = append(sets, st.Voters)
		}
	}
	return sets
}

// decided tells whether some voter whom the node perhaps reached perhaps reached a
// majority of the voters.
func (m *model) decided(node string, voters []string, s Span) bool {
	return slices.ContainsFunc(voters, func(leader string) bool {
		return !m.surelyGone(leader, s) && (leader == node || m.mayTalk(node, leader, s)) && len(m.reached(leader, voters, s)) > len(voters)/2
	})
}

// reached are those whom the leader possibly reaches, itself included.
func (m *model) reached(leader string, nodes []string, s Span) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n != leader && !m.mayTalk(leader, n, s) })
}

// rosterFollows is the fourth part: in the end the roster has every node where it is.
func rosterFollows(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, d := range m.finals() {
		if !slices.ContainsFunc(m.h.Faults, func(f history.Fault) bool { return len(f.Effect.Moved) > 0 }) {
			continue
		}
		if looked++; len(d.Misplaced) > 0 {
			out = append(out, Finding{Text: fmt.Sprintf("in the end the roster of %s has %s where they are not", d.Node, strings.Join(d.Misplaced, ", ")),
				Nodes: append([]string{d.Node}, d.Misplaced...), Events: []Event{dumpEvent(d)}})
		}
	}
	return out, looked
}

// removalsLeaveAWriter is the third part: no removal is acknowledged that leaves the
// configuration without a majority of voters that live, and where a majority lives,
// writes succeed.
func removalsLeaveAWriter(m *model) ([]Finding, int) {
	var out []Finding
	all := m.removals()
	for _, r := range all {
		s := Span{r.op.Invoke, r.op.Return}
		left := func(v []string) []string {
			return slices.DeleteFunc(slices.Clone(v), func(n string) bool { return n == r.node })
		}
		voters := m.votersAround(s)
		if len(voters) > 0 && !slices.ContainsFunc(voters, func(v []string) bool { return m.decided(r.op.Node, left(v), s) }) {
			out = append(out, m.opFinding(r.op, fmt.Sprintf("the removal of %s was acknowledged, and of the voters that were left, %s, no majority lived",
				r.node, strings.Join(left(voters[len(voters)-1]), ", "))))
		}
	}
	looked := len(all)
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Write && op.Kind != history.Swap && op.Kind != history.Add || !m.livingMajority(op) {
			continue
		}
		if looked++; op.Outcome == history.Unknown || op.Code == "Unavailable" {
			out = append(out, m.opFinding(op, fmt.Sprintf("a write at %s failed although a majority of the nodes lives", op.Node)))
		}
	}
	return merge(out), looked
}

// livingMajority tells whether, for as long as an election may take before the
// operation and until its answer was due, nothing was wrong but that some nodes, which
// were fewer than half of the roster, surely did not run.
func (m *model) livingMajority(op *history.Op) bool {
	s := Span{op.Invoke - m.b.Failover, min(op.Return, op.Invoke+m.b.WriteFails+m.b.Spread)}
	if s.From < m.b.Failover || s.To > m.h.End || op.Code == gaveUp || m.disks(s) {
		return false
	}
	var living []string
	dead := 0
	for _, n := range m.nodes {
		switch {
		case m.off(n, s):
		case m.surelyGone(n, s) && !m.away[n].touch(s):
			dead++
		default:
			living = append(living, n)
		}
	}
	for _, x := range living {
		for _, y := range living {
			if !m.calm(x, y, s) {
				return false
			}
		}
	}
	return dead > 0 && len(living) > dead && len(living)+dead <= voters && slices.Contains(living, op.Node)
}

// off tells whether the node surely is not on the roster during s.
func (m *model) off(node string, s Span) bool {
	ran := slices.ContainsFunc(m.h.Lives, func(l history.Life) bool { return l.Node == node && l.At <= s.To })
	return len(m.h.Lives) > 0 && !ran || slices.ContainsFunc(m.removals(), func(r removal) bool { return r.node == node && r.contains(s) })
}
