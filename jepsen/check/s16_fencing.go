package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// fencing is S16: nothing of an old incarnation counts once a newer one was
// seen, and a node that was paused brings no DN back that was taken over.
func fencing(m *model) ([]Finding, int) {
	out := m.broken("S16", func(c *contradiction) string {
		return fmt.Sprintf("%s brought %s back to %s, which had been away while %s took over",
			c.first.node, dnWord(c.dns), c.first.row.Owner, c.want)
	})
	looked := m.looked["S16"]
	newest := map[string]*history.Item{} // greatest incarnation seen of each node
	opened := map[string]*history.Item{}
	for i := range m.h.Items {
		item := &m.h.Items[i]
		if item.Kind == history.Opened {
			opened[item.Observer] = item
		}
		if item.Kind != history.Started {
			continue
		}
		looked++
		was, asked := newest[item.Node], opened[item.Observer]
		if was != nil && m.wiped(item.Node, Span{was.At, item.At}) {
			was = nil // it has forgotten who it was
		}
		if was != nil && item.Incarnation < was.Incarnation && asked != nil && asked.At > was.At {
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s spoke as incarnation %d after it had been seen as %d", item.Node, item.Incarnation, was.Incarnation),
				Nodes: []string{item.Node}, Events: []Event{itemEvent(was), itemEvent(asked), itemEvent(item)},
			})
		}
		if was == nil || item.Incarnation > was.Incarnation {
			newest[item.Node] = item
		}
	}
	return out, looked
}

// wiped tells whether the node's data were perhaps lost.
func (m *model) wiped(node string, s Span) bool {
	return slices.ContainsFunc(m.active(s, node), func(f *history.Fault) bool {
		return slices.Contains(f.Effect.Wiped, node)
	})
}
