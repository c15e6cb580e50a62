package check

import (
	"fmt"
)

// ownImmune is S2: a DN with an acknowledged registration that did not end is
// InSrv at its node, whatever happens elsewhere, and the node says so at once.
func ownImmune(m *model) ([]Finding, int) {
	out := m.broken("S2", func(c *contradiction) string {
		return fmt.Sprintf("%s did not list its own %s as InSrv although the registration was acknowledged and had not ended",
			c.first.node, dnWord(c.dns))
	})
	silent, looked := m.silentTables()
	return append(out, silent...), looked + m.looked["S2"]
}

// silentTables are looks at the table of a running node that got no answer in
// time while there was a fault elsewhere.
func (m *model) silentTables() ([]Finding, int) {
	var out []Finding
	looked := 0
	for i := range m.h.Polls {
		p := &m.h.Polls[i]
		s := Span{max(0, p.Asked-m.b.Converge), p.Answered}
		if m.stopped[p.Node].touch(s) || m.away[p.Node].touch(s) || len(m.active(Span{p.Asked, p.Answered}, m.nodes...)) == 0 || m.busy(p.Node, s) {
			continue
		}
		if looked++; p.Error != "" || p.Answered-p.Asked > m.b.Local {
			f := Finding{
				Text:   fmt.Sprintf("%s did not answer within %v what is in its own table, during a fault", p.Node, m.b.Local),
				Nodes:  []string{p.Node},
				Events: []Event{{At: p.Asked, To: p.Answered, Node: p.Node, Text: fmt.Sprintf("%s: %d rows %s", p.View, len(p.Rows), p.Error)}},
			}
			for _, fault := range m.active(Span{p.Asked, p.Answered}, m.nodes...) {
				f.Events = append(f.Events, faultEvents(fault, p.Answered)...)
			}
			out = append(out, f)
		}
	}
	return merge(out), looked
}

// busy tells whether the node was perhaps starved of CPU.
func (m *model) busy(node string, s Span) bool {
	for _, f := range m.active(s, node) {
		for _, n := range f.Effect.Busy {
			if n == node {
				return true
			}
		}
	}
	return false
}
