package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// authority is S18: what a peer says about a DN that it does not own, or with
// an absurd claim, changes nothing and is counted.
func authority(m *model) ([]Finding, int) {
	out := m.broken("S18", func(c *contradiction) string {
		return fmt.Sprintf("%s believed a peer that had no right to speak about %s", c.first.node, dnWord(c.dns))
	})
	looked := 0
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if len(f.Effect.Lies) == 0 || f.Confirmed == history.Never {
			continue
		}
		looked += len(f.Effect.Lies)
		before, after := m.refused(f)
		if before != nil && after != nil && *after.Refused == *before.Refused {
			out = append(out, Finding{
				Text:   "a peer spoke about DNs that it does not own, and no node counted it",
				Events: append(faultEvents(f, after.Answered), statusEvent(before), statusEvent(after)),
			})
		}
	}
	return out, looked
}

// refused returns the first pair of answers, before and well after the lie,
// of a node that did not restart; of one that counted it if there is any.
func (m *model) refused(f *history.Fault) (before, after *history.Status) {
	for _, node := range m.nodes {
		b, a := m.statusAround(node, f.Inject, f.Confirmed+m.b.Converge)
		if b == nil || a == nil || m.stopped[node].touch(Span{b.Asked, a.Answered}) {
			continue
		}
		if before == nil || *a.Refused > *b.Refused {
			before, after = b, a
		}
	}
	return before, after
}

func (m *model) statusAround(node string, from, to time.Duration) (before, after *history.Status) {
	for i := range m.h.Statuses {
		s := &m.h.Statuses[i]
		if s.Node != node || s.Refused == nil {
			continue
		}
		if s.Answered < from {
			before = s
		} else if s.Asked > to && after == nil {
			after = s
		}
	}
	return before, after
}
