package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// liveness is S14: the convergence bound after the faults end each node hears
// each other one and answers, and writes succeed, however long it all was.
func liveness(m *model) ([]Finding, int) {
	out, looked := m.deafNodes()
	more, n := m.failedWrites()
	out, looked = append(out, more...), looked+n
	more, n = m.crashes()
	out, looked = append(out, more...), looked+n
	more, n = m.behind()
	return append(out, more...), looked + n
}

// deafNodes are those that say they don't hear a peer, or nothing at all.
func (m *model) deafNodes() ([]Finding, int) {
	var out []Finding
	looked := 0
	for i := range m.h.Statuses {
		s := &m.h.Statuses[i]
		w := Span{s.Asked, s.Answered}
		if s.Error != "" {
			if m.calm(s.Node, s.Node, w.wider(m.b.ConvergeRestart)) {
				out = append(out, m.statusFinding(s, fmt.Sprintf("%s runs and does not answer", s.Node)))
			}
			continue
		}
		for _, p := range s.Peers {
			if !slices.Contains(m.nodes, p.Node) || p.Node == s.Node || !m.calm(s.Node, p.Node, w) {
				continue
			}
			if looked++; !p.Heard {
				out = append(out, m.statusFinding(s, fmt.Sprintf("%s does not hear %s although nothing is between them any more", s.Node, p.Node), p.Node))
			}
		}
	}
	return merge(out), looked
}

func (m *model) statusFinding(s *history.Status, text string, peers ...string) Finding {
	f := Finding{Text: text, Nodes: append(peers, s.Node), Events: []Event{statusEvent(s)}}
	var last *history.Fault // healed before
	for i := range m.h.Faults {
		fault := &m.h.Faults[i]
		if fault.Healed <= s.Asked && touches(&fault.Effect, s.Node) && (last == nil || fault.Healed > last.Healed) {
			last = fault
		}
	}
	if last != nil {
		f.Events = append(f.Events, faultEvents(last, s.Asked)...)
	}
	return f
}

// failedWrites are writes that found no quorum while all was calm for as long
// as an election may take.
func (m *model) failedWrites() ([]Finding, int) {
	calm := m.allCalm()
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Write && op.Kind != history.Swap && op.Kind != history.Add {
			continue
		}
		s := Span{max(0, op.Invoke-m.b.Failover), min(op.Return, m.h.End)}
		if !calm.cover(s) || m.disks(s) || op.Invoke < m.b.Failover && len(m.h.Lives) > 0 {
			continue
		}
		looked++
		refused := op.Outcome == history.Unknown || op.Code == "Unavailable"
		if op.Return != history.Never && !op.OK() && refused && op.Code != gaveUp {
			out = append(out, m.opFinding(op, fmt.Sprintf("a write at %s failed although the cluster was whole", op.Node)))
		}
	}
	return merge(out), looked
}

// disks tells whether a node perhaps could not store, or not apply, what was written.
func (m *model) disks(s Span) bool {
	return slices.ContainsFunc(m.active(s, m.nodes...), func(f *history.Fault) bool { return len(f.Effect.Full)+len(f.Effect.Frozen)+len(f.Effect.Parked) > 0 })
}

// crashes are ends of processes that nobody asked for.
func (m *model) crashes() ([]Finding, int) {
	var out []Finding
	asked := map[string]bool{}
	for _, l := range m.h.Lives {
		switch l.Kind {
		case history.Killed, history.Stopping:
			asked[l.Node] = true
		case history.Launched:
			asked[l.Node] = false
		case history.Exited:
			down := slices.ContainsFunc(m.active(Span{l.At, l.At}, l.Node), func(f *history.Fault) bool { return slices.Contains(f.Effect.Down, l.Node) })
			if !asked[l.Node] && !down {
				out = append(out, Finding{
					Text: fmt.Sprintf("the process of %s ended by itself", l.Node), Nodes: []string{l.Node},
					Events: []Event{{At: l.At, To: l.At, Node: l.Node, Text: "exited: " + l.Error}},
				})
			}
		}
	}
	return out, len(m.h.Lives)
}

// behind are nodes whose final read is older than another's that had ended before.
func (m *model) behind() ([]Finding, int) {
	var out []Finding
	finals := m.finals()
	for _, a := range finals {
		for _, b := range finals {
			if a.Answered < b.Asked-m.b.Converge && b.Index < a.Index {
				out = append(out, Finding{
					Text:  fmt.Sprintf("%s stays behind: its final read is at index %d, that of %s was at %d", b.Node, b.Index, a.Node, a.Index),
					Nodes: []string{a.Node, b.Node}, Events: []Event{dumpEvent(a), dumpEvent(b)},
				})
			}
		}
	}
	return merge(out), len(finals)
}
