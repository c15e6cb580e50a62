package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// orphanBound is how long a phone may ring for a caller whose node is known to be lost.
const orphanBound = time.Second

// nobodyRings is the part of S22 that is about telephones: none rings, or believes to
// be in a call, when its caller has gone: given up, or lost with its node.
func nobodyRings(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, c := range m.calls() {
		if c.dial.OK() {
			continue
		}
		for _, r := range slices.Concat(c.rings, c.talks) {
			by := m.mustEnd(c, r)
			if by == history.Never || by > m.h.End {
				continue
			}
			if looked++; r.Return <= by {
				continue
			}
			does := "rang"
			if r.Kind == history.Talk {
				does = "was in a call"
			}
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s %s %v longer than its caller %s was there", r.Key, does, round(min(r.Return, m.h.End)-by), c.dial.From),
				Nodes: []string{c.dial.Node, r.Node}, Keys: []string{r.Key}, Window: Span{c.dial.Invoke, min(r.Return, m.h.End)}, Events: c.story(r.Return),
			})
		}
	}
	return out, looked
}

// mustEnd is when the telephone surely was told that nobody calls it; Never when
// that can't be said.
func (m *model) mustEnd(c *phoneCall, r *history.Op) time.Duration {
	a, b := c.dial.Node, r.Node
	by := history.Never
	// The caller was told that it is over, and his node can tell the telephone's.
	if over := c.dial.Return; c.dial.Outcome == history.Fail {
		s := Span{minus(r.Invoke, m.b.Spread), plus(max(over, r.Invoke), m.b.Spread+orphanBound)}
		if m.signals(a, b).cover(s) {
			by = s.To
		}
	}
	// The telephone's node does not hear the caller's.
	for _, q := range m.silent[pair{From: a, To: b}] {
		if len(q.fault.Effect.Lies) > 0 {
			continue // whoever is in its place is heard, and ends no calls
		}
		at := max(plus(q.From, q.bound), r.Invoke) + orphanBound + m.b.Spread
		if q.From >= c.dial.Invoke && q.To >= at && m.signals(b, b).cover(Span{r.Invoke, at}) {
			by = min(by, at)
		}
	}
	// The caller's node has ended, and the telephone's has heard it begin anew.
	for _, died := range m.deaths[a] {
		for _, s := range m.hears(b, a) {
			at := plus(max(s.From, r.Invoke), orphanBound)
			if a != b && died > c.dial.Invoke && s.From > died && at <= s.To && m.signals(b, b).cover(Span{r.Invoke, at}) {
				by = min(by, at)
			}
		}
	}
	return by
}
