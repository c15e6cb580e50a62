package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// firstWrites belongs to S14: once a majority runs again, a write succeeds soon,
// wherever the nodes are now.
func firstWrites(m *model) ([]Finding, int) {
	var out []Finding
	all := m.comebacks()
	for _, c := range all {
		if c.first == nil || c.first.Return > plus(c.at, m.b.FirstWrite) {
			f := Finding{Text: fmt.Sprintf("no write succeeded within %v after a majority ran again", m.b.FirstWrite), Nodes: []string{c.node},
				Events: faultEvents(c.fault, plus(c.at, m.b.FirstWrite))}
			if c.first != nil {
				f.Events = append(f.Events, opEvent(c.first))
			}
			out = append(out, f)
		}
	}
	return merge(out), len(all)
}

// comeback is a moment in which a majority runs again.
type comeback struct {
	at, launched time.Duration
	node         string
	fault        *history.Fault
	first        *history.Op // write that succeeded after; nil: none did
}

func (m *model) comebacks() []comeback {
	var out []comeback
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if len(f.Effect.Down) == 0 || f.Healed == history.Never || !m.turnedWhole(f.Healed) {
			continue
		}
		c := comeback{at: f.Healed, fault: f}
		for _, n := range f.Effect.Down {
			if at := m.launched(n, Span{f.Heal, f.Healed}); at != history.Never && at > c.launched {
				c.launched, c.node = at, n
			}
		}
		tried := false
		for j := range m.h.Ops {
			op := &m.h.Ops[j]
			if op.Kind != history.Write && op.Kind != history.Swap && op.Kind != history.Add {
				continue
			}
			tried = tried || c.at < op.Invoke && op.Invoke < plus(c.at, m.b.FirstWrite/2)
			if m.changed(op) && op.Return > c.at && (c.first == nil || op.Return < c.first.Return) {
				c.first = op
			}
		}
		if tried && c.node != "" {
			out = append(out, c)
		}
	}
	return out
}

// turnedWhole tells whether just before t no majority ran, from t on one does, for as
// long as a first write may take, and nothing else is wrong then.
func (m *model) turnedWhole(t time.Duration) bool {
	after := Span{t + 1, plus(t, m.b.FirstWrite)}
	before, since := 0, 0
	for _, n := range m.regular {
		if m.away[n].touch(Span{minus(t, m.b.ConvergeRestart), after.To}) {
			return false
		}
		if !m.stopped[n].touch(Span{t - 1, t - 1}) {
			before++
		}
		if !m.stopped[n].touch(after) {
			since++
		}
	}
	majority := min(len(m.regular), voters)/2 + 1
	for _, cut := range m.cut {
		if cut.touch(Span{minus(t, m.b.Converge), after.To}) {
			return false
		}
	}
	return before < majority && since >= majority && !m.disks(after) && after.To <= m.h.End
}
