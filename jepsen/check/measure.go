package check

import (
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// What was measured.
type What string

const (
	// Detection: from the begin of the injection until the observer had the
	// last of the owner's DNs OOS.
	Detection What = "detection"
	// Convergence: from the begin of the heal until it had all of them InSrv again.
	Convergence What = "convergence"
	// Restart: from the start of a process until it served.
	Restart What = "restart"
	// FirstWrite: from the last start of a process until a write succeeded, when no
	// majority ran before.
	FirstWrite What = "first write"
	// HandOver: what a write took while the leader stopped in good order.
	HandOver What = "hand-over"
)

// Measure is a bound as it was in this run.
type Measure struct {
	What    What          `json:"what"`
	Fault   int64         `json:"fault"`
	Nemesis string        `json:"nemesis"`
	At      time.Duration `json:"at"`
	Took    time.Duration `json:"took"`
	Bound   time.Duration `json:"bound"`
	// Observer of Owner's DNs; for a restart the node is the Owner.
	Observer string `json:"observer,omitempty"`
	Owner    string `json:"owner"`
}

// measure finds for each fault and pair of nodes how long it took.
func measure(m *model) []Measure {
	var out []Measure
	for _, observer := range m.nodes {
		for _, owner := range m.nodes {
			for i := range m.silent[pair{From: owner, To: observer}] {
				out = append(out, m.measureSilence(&m.silent[pair{From: owner, To: observer}][i], observer, owner)...)
			}
		}
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		for _, node := range f.Effect.Down {
			if f.Heal != history.Never && f.Healed != history.Never {
				out = append(out, Measure{Restart, f.ID, f.Nemesis, f.Heal, f.Healed - f.Heal, m.b.Restart, "", node})
			}
		}
	}
	return append(out, m.measureWrites()...)
}

// measureWrites is how long writes had to wait.
func (m *model) measureWrites() []Measure {
	var out []Measure
	for _, c := range m.comebacks() {
		if c.first != nil {
			out = append(out, Measure{FirstWrite, c.fault.ID, c.fault.Nemesis, c.launched, c.first.Return - c.launched, m.b.FirstWrite, "", c.node})
		}
	}
	for _, l := range m.h.Lives {
		if l.Kind != history.Stopping {
			continue
		}
		worst := Measure{What: HandOver, Nemesis: "stop-leader", At: l.At, Bound: m.b.HandOver, Owner: l.Node}
		for _, op := range m.duringHandOver(l) {
			worst.Took = max(worst.Took, m.waited(op, l.At))
		}
		if worst.Took > 0 {
			out = append(out, worst)
		}
	}
	return out
}

func (m *model) measureSilence(q *silence, observer, owner string) []Measure {
	f := q.fault
	if f.Confirmed != q.From || len(f.Effect.Lies) > 0 {
		return nil // not the begin of this fault, or somebody speaks in its place
	}
	dns := m.owned(owner, Span{f.Inject, min(q.To, m.h.End)})
	lost, ok := m.firstTable(observer, Span{f.Inject, q.To}, func(rows map[string]history.Row) bool {
		return !slices.ContainsFunc(dns, func(dn string) bool { return rows[dn].InSrv })
	})
	if len(dns) == 0 || !ok {
		return nil
	}
	out := []Measure{{Detection, f.ID, f.Nemesis, f.Inject, lost - f.Inject, q.bound, observer, owner}}
	bound := m.b.Converge
	if gone(f, owner) || gone(f, observer) {
		bound = m.b.ConvergeRestart
	}
	after := m.undisturbed(f, Span{f.Heal, plus(f.Healed, bound)}, observer, owner)
	if f.Healed == history.Never || after.empty() {
		return out
	}
	dns = m.owned(owner, Span{f.Heal, min(after.To, m.h.End)})
	back, ok := m.firstTable(observer, after, func(rows map[string]history.Row) bool {
		return !slices.ContainsFunc(dns, func(dn string) bool { return !rows[dn].InSrv || rows[dn].Owner != owner })
	})
	if len(dns) > 0 && ok {
		out = append(out, Measure{Convergence, f.ID, f.Nemesis, f.Heal, back - f.Heal, bound, observer, owner})
	}
	return out
}

// undisturbed is s until the next fault of these nodes; empty when another one
// is there from the begin.
func (m *model) undisturbed(f *history.Fault, s Span, nodes ...string) Span {
	for _, other := range m.active(s, nodes...) {
		if other != f {
			s.To = min(s.To, other.Inject-1)
		}
	}
	return s
}

// owned are the DNs that surely are the node's during s.
func (m *model) owned(node string, s Span) []string {
	var out []string
	for dn, t := range m.truth {
		if t.in[node].cover(s) {
			out = append(out, dn)
		}
	}
	return out
}

// firstTable is when the node first answered with a table as wanted.
func (m *model) firstTable(node string, s Span, want func(map[string]history.Row) bool) (time.Duration, bool) {
	for i := range m.h.Polls {
		p := &m.h.Polls[i]
		if p.Asked > s.To {
			break
		}
		if p.Node != node || p.Error != "" || p.Asked < s.From || p.View != history.Table {
			continue
		}
		rows := map[string]history.Row{}
		for _, r := range p.Rows {
			rows[r.DN] = r
		}
		if want(rows) {
			return p.Answered, true
		}
	}
	return 0, false
}
