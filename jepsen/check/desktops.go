package check

import (
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// nodeGrace is how long a desktop may take to come back whose node was lost.
const nodeGrace = 30 * time.Second

// bereft is the agent after the loss of his desktop; the same one when he was not ready.
func bereft(agent string) string {
	id, ready := strings.CutPrefix(agent, "ready ")
	if !ready {
		return agent
	}
	id, _, _ = strings.Cut(id, " ")
	return "not-ready " + id
}

// agentAt is what a table may show, and what else, of the agent at a DN of whom last
// was acknowledged: who was ready is not any more when his desktop was lost. The same
// twice when only one is possible.
func (m *model) agentAt(t *truth, last *registration, p *history.Poll) (string, string) {
	s := Span{p.Asked, p.Answered}
	switch lost := bereft(last.Arg); {
	case lost == last.Arg:
	case m.surelyBereft(t, last, p):
		return lost, lost
	case m.maybeBereft(t, Span{last.Invoke, s.To}):
		return last.Arg, lost
	}
	return last.Arg, last.Arg
}

// surelyBereft tells whether a desktop at the DN, behind the request, surely took leave as
// the last one, at a node that ran on, and everybody who has or shows the DN since heard of it.
func (m *model) surelyBereft(t *truth, last *registration, p *history.Poll) bool {
	return slices.ContainsFunc(t.out, func(e ended) bool {
		since := Span{e.From, p.Answered}
		if e.last.Kind != history.RegisterAddress || e.From < last.Return || e.From+m.b.Spread > min(e.To, p.Asked) ||
			m.stopped[e.node].touch(Span{last.Invoke, p.Answered}) || !m.calm(p.Node, e.node, since) {
			return false
		}
		leaves := func(u *registration) bool {
			return u.OK() && takes(u, e.last) && u.Invoke >= last.Return && u.latest <= e.From
		}
		deaf := func(r *registration) bool {
			return r.latest > e.From && r.Invoke <= p.Answered && !m.calm(r.Node, e.node, since)
		}
		return slices.ContainsFunc(t.unreg, leaves) && !slices.ContainsFunc(t.regs, deaf)
	})
}

// maybeBereft tells whether a desktop at the DN may have been lost meanwhile.
func (m *model) maybeBereft(t *truth, s Span) bool {
	for _, r := range t.regs {
		if r.Kind == history.RegisterAddress && r.Invoke <= s.To && r.end >= s.From && m.lostFrom(t, r) <= s.To {
			return true
		}
	}
	return slices.ContainsFunc(m.active(s, m.nodes...), func(f *history.Fault) bool { // who takes the DN over then can't know
		return minus(min(f.Healed, s.To), f.Inject) >= nodeGrace-m.b.Spread
	})
}

// lostFrom is when the registration's desktop may first be lost. A node that ends takes
// none away: they may come back.
func (m *model) lostFrom(t *truth, r *registration) time.Duration {
	at := history.Never
	for _, u := range t.unreg {
		died := slices.ContainsFunc(m.deaths[r.Node], func(d time.Duration) bool { return d >= r.Return && d <= u.Invoke })
		if takes(u, r) && !died {
			at = min(at, u.Invoke)
		}
	}
	for _, s := range slices.Concat(m.stopped[r.Node], m.away[r.Node]) {
		died := slices.ContainsFunc(m.deaths[r.Node], func(d time.Duration) bool { return s.From <= d && d <= s.To })
		switch {
		case s.To < r.Invoke:
		case died:
			at = min(at, plus(s.From, nodeGrace-m.b.Spread))
		default:
			at = min(at, s.From)
		}
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if plus(f.Healed, m.b.Desktop) >= r.Invoke && (onTheWay(&f.Effect, r.Op) || slices.Contains(f.Effect.Busy, r.Node)) {
			at = min(at, f.Inject)
		}
	}
	return at
}
