package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// byeBound is how long a BYE that was answered may be on its way to the other side.
const byeBound = 2 * time.Second

// byesArrive is the part of S12 that is about the ends of calls: who has hung up has ended
// the call for the other side, too, when nothing keeps their nodes from each other any more.
func (m *model) byesArrive(calls []*phoneCall) (out []Finding, looked int) {
	homes := m.homes()
	for _, c := range calls {
		if !c.dial.OK() || len(c.talks) != 1 || len(c.silences) > 0 || homes[c.dial.From] == "" || homes[c.talks[0].Key] == "" {
			continue
		}
		for _, w := range c.within {
			if w.From != "BYE" || w.Code != "200" {
				continue
			}
			by := m.byeKnown(c, w)
			if by == history.Never {
				continue
			}
			looked++
			for _, later := range c.within {
				if later.Key != w.Key && later.Invoke > by {
					out = append(out, Finding{
						Text: fmt.Sprintf("%s hung up and was answered, and %v later %s was in the call still", w.Key, round(later.Invoke-w.Return), later.Key),
						Keys: []string{c.dial.From, c.talks[0].Key}, Nodes: []string{c.dial.Node, c.talks[0].Node},
						Window: Span{w.Invoke, later.Return}, Events: c.story(later.Return),
					})
					break
				}
			}
		}
	}
	return out, looked
}

// byeKnown is when the other side surely was told of the BYE; Never when nobody can say.
func (m *model) byeKnown(c *phoneCall, w *history.Op) time.Duration {
	x, y := c.dial.Node, c.talks[0].Node
	for _, s := range m.signals(x, y) {
		at := max(w.Return, s.From) + byeBound
		if s.To < at {
			continue
		}
		if s.From > w.Return && (m.stopped[x].touch(Span{w.Invoke, at}) || m.stopped[y].touch(Span{w.Invoke, at})) {
			return history.Never
		}
		return at
	}
	return history.Never
}
