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

// drained tells whether the node drained since the registration.
func (m *model) drained(node string, r *registration, s sighting) bool {
	return slices.ContainsFunc(m.active(Span{r.Return, s.To}, node), func(f *history.Fault) bool { return slices.Contains(f.Effect.Drained, node) })
}

// drains tells whether one of the nodes may have drained then.
func (m *model) drains(s Span, nodes ...string) bool {
	return slices.ContainsFunc(m.active(s.wider(m.b.Spread), nodes...), func(f *history.Fault) bool { return len(f.Effect.Drained) > 0 })
}
