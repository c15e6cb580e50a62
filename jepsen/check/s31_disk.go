package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Bounds of a node whose disk does not answer. The disk is said to stall 1.5 s after
// the first call that did not come back, and status is asked a few times a second.
const (
	frozenAnswer = 300 * time.Millisecond // REGISTER, 99 of 100
	frozenLead   = 5 * time.Second        // another node leads
	frozenTold   = 4 * time.Second        // status says so, and no more behind it
	// frozenLeast answers are needed to say something of 99 of 100.
	frozenLeast = 100
	// stalled is how status says so.
	stalled = "disk-stalled"
)

// stalledDisk is S31: a disk that does not answer holds up nobody but what must be kept:
// its node serves phones, another one leads and takes writes, and all is told.
func stalledDisk(m *model) (out []Finding, looked int) {
	var took []*history.Op
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if len(f.Effect.Frozen) == 0 || sure(f).empty() {
			continue
		}
		for _, part := range []func(*history.Fault) ([]Finding, int){m.anotherLeads, m.othersWrite, m.stallTold} {
			found, n := part(f)
			out, looked = append(out, found...), looked+n
		}
		took = append(took, m.registeredAt(f)...)
	}
	if len(took) >= frozenLeast {
		slices.SortFunc(took, func(a, b *history.Op) int { return int((a.Return - a.Invoke) - (b.Return - b.Invoke)) })
		looked += len(took)
		if op := took[len(took)-1-len(took)/100]; op.Return-op.Invoke > frozenAnswer {
			out = append(out, m.opFinding(op, fmt.Sprintf("more than one of 100 REGISTERs at nodes whose disk did not answer took longer than %v, of %d", frozenAnswer, len(took))))
		}
	}
	return merge(out), looked
}

// registeredAt are the REGISTERs of a frozen node's own phones that it answered.
func (m *model) registeredAt(f *history.Fault) (out []*history.Op) {
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		own := op.Home == "" || op.Home == op.Node
		if op.Kind == history.Register && op.OK() && own && slices.Contains(f.Effect.Frozen, op.Node) && sure(f).contains(Span{op.Invoke, op.Return}) {
			out = append(out, op)
		}
	}
	return out
}

// anotherLeads: when the bound is over somebody else leads.
func (m *model) anotherLeads(f *history.Fault) ([]Finding, int) {
	s := Span{f.Confirmed + frozenLead, f.Heal}
	if s.empty() || m.others(f) == 0 {
		return nil, 0
	}
	var last *history.Status
	for i := range m.h.Statuses {
		st := &m.h.Statuses[i]
		if st.Error != "" || st.Asked < f.Confirmed || st.Answered > s.From {
			continue
		}
		if last = st; st.State == "leader" && !slices.Contains(f.Effect.Frozen, st.Node) {
			return nil, 1
		}
	}
	if last == nil {
		return nil, 0
	}
	return []Finding{{
		Text: fmt.Sprintf("no node with a working disk led within %v", frozenLead), Nodes: f.Effect.Frozen,
		Events: append(faultEvents(f, s.From), statusEvent(last)),
	}}, 1
}

// others is how many more than a majority needs have working disks.
func (m *model) others(f *history.Fault) int {
	return max(0, len(m.regular)-len(f.Effect.Frozen)-len(m.regular)/2)
}

// othersWrite: once another one leads, nodes with working disks take writes.
func (m *model) othersWrite(f *history.Fault) (out []Finding, looked int) {
	s := Span{f.Confirmed + frozenLead, f.Heal}
	if m.others(f) == 0 {
		return nil, 0
	}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Write && op.Kind != history.Swap && op.Kind != history.Add || slices.Contains(f.Effect.Frozen, op.Node) || !s.contains(Span{op.Invoke, op.Return}) {
			continue
		}
		if alone := m.active(s, m.nodes...); len(alone) != 1 {
			continue
		}
		if looked++; !op.OK() && (op.Outcome == history.Unknown || op.Code == "Unavailable") && op.Code != gaveUp {
			out = append(out, m.opFinding(op, fmt.Sprintf("a write at %s failed although only the disk of another node did not answer", op.Node)))
		}
	}
	return out, looked
}

// stallTold: status of the node names the fault while it lasts, and not any more when
// the disk answers again.
func (m *model) stallTold(f *history.Fault) (out []Finding, looked int) {
	for i := range m.h.Statuses {
		st := &m.h.Statuses[i]
		s := Span{st.Asked, st.Answered}
		if st.Error != "" || !slices.Contains(f.Effect.Frozen, st.Node) || m.stopped[st.Node].touch(s.wider(m.b.ConvergeRestart)) {
			continue
		}
		says := slices.Contains(st.Problems, stalled)
		switch quiet := !slices.ContainsFunc(m.active(s.wider(frozenTold), st.Node), func(o *history.Fault) bool { return len(o.Effect.Frozen) > 0 }); {
		case (Span{f.Confirmed + frozenTold, f.Heal}).contains(s):
			if looked++; !says {
				out = append(out, m.statusFinding(st, fmt.Sprintf("%s does not say that its disk does not answer", st.Node)))
			}
		case quiet && st.Asked > f.Healed:
			if looked++; says {
				out = append(out, m.statusFinding(st, fmt.Sprintf("%s says that its disk does not answer, and it does", st.Node)))
			}
		}
	}
	return out, looked
}
