package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// handedOver belongs to S11: a leader that stops in good order hands its lead over, so
// that nobody's write waits for an election; and it is gone soon.
func handedOver(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for i, l := range m.h.Lives {
		if l.Kind != history.Stopping {
			continue
		}
		looked++
		if end := m.exit(i); end == nil || end.At-l.At > m.b.Stop {
			out = append(out, Finding{Text: fmt.Sprintf("%s took more than %v to stop in good order", l.Node, m.b.Stop), Nodes: []string{l.Node},
				Events: []Event{{At: l.At, To: l.At, Node: l.Node, Text: "SIGTERM"}}})
		}
		for _, op := range m.duringHandOver(l) {
			if looked++; !op.OK() || m.waited(op, l.At) > m.b.HandOver+m.b.Spread {
				out = append(out, m.opFinding(op, fmt.Sprintf("a write at %s waited for more than %v after the leader %s stopped in good order", op.Node, m.b.HandOver, l.Node)))
			}
		}
	}
	return merge(out), looked
}

// exit is the end of a process whose life came to i; nil when it is not there.
func (m *model) exit(i int) *history.Life {
	for j := range m.h.Lives[i:] {
		if l := &m.h.Lives[i+j]; l.Node == m.h.Lives[i].Node && l.Kind == history.Exited {
			return l
		}
	}
	return nil
}

// waited is how long the operation took from t on.
func (m *model) waited(op *history.Op, t time.Duration) time.Duration {
	return op.Return - max(op.Invoke, t)
}

// duringHandOver are the writes at other nodes that may have waited for the one that
// led and stops, when nothing else is wrong.
func (m *model) duringHandOver(l history.Life) []*history.Op {
	s := Span{minus(l.At, m.b.Failover), plus(l.At, m.b.WriteFails)}
	if !m.led(l) || s.To > m.h.End {
		return nil
	}
	others := 0
	for _, n := range m.regular {
		if n == l.Node {
			continue
		}
		if !m.calm(n, n, s) || m.away[n].touch(s) {
			return nil
		}
		others++
	}
	for _, cut := range m.cut {
		if cut.touch(s) {
			return nil
		}
	}
	if others <= len(m.regular)/2 || m.disks(s) || m.slow(Span{l.At - m.b.Failover/2, l.At}) {
		return nil
	}
	var out []*history.Op
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Write && op.Kind != history.Swap && op.Kind != history.Add || op.Node == l.Node || op.Code == gaveUp {
			continue
		}
		if op.Return > l.At && op.Invoke < l.At+m.b.HandOver {
			out = append(out, op)
		}
	}
	return out
}

// slow tells whether a write was under way for long already while nothing was wrong: the
// machine is.
func (m *model) slow(s Span) bool {
	return slices.ContainsFunc(m.h.Ops, func(op history.Op) bool {
		write := op.Kind == history.Write || op.Kind == history.Swap || op.Kind == history.Add
		return write && s.overlaps(Span{op.Invoke, op.Return}) && min(op.Return, s.To)-op.Invoke > m.b.Spread
	})
}

// led tells whether the node led when it was told to stop, as all who answered shortly
// before say.
func (m *model) led(l history.Life) bool {
	said := map[string]string{}
	for i := range m.h.Statuses {
		if s := &m.h.Statuses[i]; s.Answered < l.At && s.Asked > l.At-2*time.Second && s.Error == "" {
			said[s.Node] = s.Leader
		}
	}
	for _, leader := range said {
		if leader != l.Node {
			return false
		}
	}
	return len(said) > 0 && slices.Contains(m.regular, l.Node)
}
