package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// drainLosesNobody is S26: what is registered at a node that drains stays in service
// until its phone has gone elsewhere or its registration ends, and behind it too.
func drainLosesNobody(m *model) ([]Finding, int) {
	return m.broken("S26", func(c *contradiction) string {
		return fmt.Sprintf("%s did not show %s as InSrv at %s, which drained, although the registration had not ended", c.first.node, dnWord(c.dns), c.want)
	}), m.looked["S26"]
}

// drainSendsAway is the part of S26 that is about answers: a node that drains refuses what
// is new, so that phones and carriers go elsewhere, and serves all else; no other one does.
func drainSendsAway(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		isNew, text := m.isNew(op), ""
		drained := isNew && m.surelyDrained(op)
		switch {
		case op.Error == draining && !m.sentAway(op):
			text = fmt.Sprintf("%s refused what it has to serve (%s) with: %s", op.Node, op.Kind, draining)
		case drained && op.OK():
			text = fmt.Sprintf("%s drained, and took what is new (%s)", op.Node, op.Kind)
		}
		if drained || op.Error == draining {
			looked++
		}
		if text != "" {
			out = append(out, m.opFinding(op, text))
		}
	}
	return merge(out), looked
}

// draining is the reason phrase of a node that drains.
const draining = "Node is draining"

// isNew tells whether the operation asks the node for what one that drains sends away:
// a registration, a refresh, a trunk's call, an OPTIONS to the node itself.
func (m *model) isNew(op *history.Op) bool {
	switch op.Kind {
	case history.Register, history.RegisterFlow, history.RegisterWay, history.Options, history.Enrol:
		return true
	case history.Dial:
		return m.trunk[op.From]
	}
	return false
}

// sentAway tells whether the answer is that of a node that drains, perhaps, to what is new.
func (m *model) sentAway(op *history.Op) bool {
	return op.Code == "503" && op.Later && m.isNew(op) && m.drains(Span{op.Invoke, op.Return}, op.Node)
}

// surelyDrained tells whether the node drained all the time, and knew it.
func (m *model) surelyDrained(op *history.Op) bool {
	s := Span{op.Invoke, op.Return}
	return slices.ContainsFunc(m.active(s, op.Node), func(f *history.Fault) bool {
		return slices.Contains(f.Effect.Drained, op.Node) && sure(f).contains(s) && !m.stopped[op.Node].touch(Span{f.Inject, s.To})
	})
}

// drained tells whether the node drained since the registration.
func (m *model) drained(node string, r *registration, s sighting) bool {
	return slices.ContainsFunc(m.active(Span{r.Return, s.To}, node), func(f *history.Fault) bool { return slices.Contains(f.Effect.Drained, node) })
}

// drains tells whether the node may have drained then.
func (m *model) drains(s Span, node string) bool {
	return slices.ContainsFunc(m.active(s.wider(m.b.Spread), node), func(f *history.Fault) bool { return slices.Contains(f.Effect.Drained, node) })
}
