package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// reservation is S19: no DN has two holders at a time, and in a cut only the
// owner's side reserves. With two owners in a cut each side has its own, so
// two holders are wrong only where one node surely was the owner all the time,
// or nothing kept the nodes apart.
func reservation(m *model) ([]Finding, int) {
	held := map[string][]holding{}
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Reserve || !op.OK() {
			continue
		}
		looked++
		if q := m.ownerLost(op); q != nil {
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s reserved DN %s although it could not hear its owner", op.Node, op.Key),
				Nodes: []string{op.Node}, Keys: []string{op.Key}, Events: append(faultEvents(q.fault, op.Return), opEvent(op)),
			})
		}
		if h := m.holds(op); !h.empty() {
			held[op.Key] = append(held[op.Key], h)
		}
	}
	for dn, all := range held {
		for i, a := range all {
			for _, b := range all[i+1:] {
				if a.overlaps(b.Span) && m.rivals(m.truth[dn], a, b) {
					out = append(out, twoHolders(a, b))
				}
			}
		}
	}
	return out, looked
}

// ownerLost returns the silence in which a node is asked for a DN that, as it
// knew before, another one owns, whom it does not hear.
func (m *model) ownerLost(op *history.Op) *silence {
	q := m.ownerNotHeard(op)
	if q == nil {
		return nil
	}
	known := Span{max(0, minus(q.fault.Inject, m.b.Spread+m.b.Converge)), op.Return}
	for p, in := range m.truth[op.Key].in {
		if p != op.Node && in.cover(known) && m.calm(p, op.Node, Span{known.From, q.fault.Inject - 1}) {
			return q
		}
	}
	return nil
}

// holding is when a reservation surely holds: from its answer until its time
// is over, counted from the request, or its holder takes it back or dies, or what
// renews it may be away from who has the DN.
type holding struct {
	Span
	op *history.Op
}

func (m *model) holds(op *history.Op) holding {
	h := holding{Span{op.Return, op.Invoke + op.Expires - time.Millisecond}, op}
	for i := range m.h.Ops {
		o := &m.h.Ops[i]
		if o.Kind == history.Release && o.Key == op.Key && o.Arg == op.Arg && o.Invoke >= op.Return {
			h.To = min(h.To, o.Invoke)
			break
		}
	}
	if ended, ok := m.hungUp[op.Arg]; ok {
		h.To = min(h.To, ended)
	}
	owners := []string{m.home[op.Key]}
	if t := m.truth[op.Key]; t != nil {
		owners = t.nodes
	}
	for _, f := range m.active(Span{op.Invoke, h.To}, append([]string{op.Node}, owners...)...) {
		h.To = min(h.To, f.Inject)
	}
	return h
}

// rivals tells whether one node had to decide about both.
func (m *model) rivals(t *truth, a, b holding) bool {
	s := Span{min(a.op.Invoke, b.op.Invoke), max(a.op.Return, b.op.Return)}
	if a.op.Arg == b.op.Arg || t == nil || s.To >= m.clockWrong || m.disks(s) || slices.ContainsFunc(m.nodes, func(n string) bool { return m.wiped(n, s) }) {
		return false
	}
	for p, in := range t.in {
		if in.cover(s) && (len(t.nodes) == 1 || m.went(p, in, a.op) && m.went(p, in, b.op)) {
			return true
		}
	}
	return m.allCalm().cover(s.wider(m.b.Spread)) && !m.mayChange(t, s.wider(m.b.Spread))
}

// went tells whether the request surely went to the owner p.
func (m *model) went(p string, in spans, op *history.Op) bool {
	s := Span{max(0, op.Invoke-m.b.Spread), op.Return}
	return in.cover(s) && m.calm(p, op.Node, s)
}

func twoHolders(a, b holding) Finding {
	both := a.common(b.Span)
	return Finding{
		Text: fmt.Sprintf("DN %s was reserved for %s and for %s at a time, for %v", a.op.Key, a.op.Arg, b.op.Arg, round(both.To-both.From)),
		Keys: []string{a.op.Key}, Nodes: []string{a.op.Node, b.op.Node}, Events: []Event{opEvent(a.op), opEvent(b.op)},
	}
}
