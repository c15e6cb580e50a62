package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// latestInSession is latest for a request of a desktop gateway: with its
// session it is surely over too.
func (m *model) latestInSession(op *history.Op) time.Duration {
	if op.Kind == history.HangUp {
		return plus(op.Invoke, m.b.Desktop)
	}
	latest := m.latest(op)
	if at, ended := m.hungUp[op.Arg]; ended && op.Outcome == history.Unknown {
		latest = min(latest, plus(max(at, op.Invoke), m.b.Desktop))
	}
	return latest
}

// breaks is when a fault may first end the session in which op was done.
func (m *model) breaks(op *history.Op) time.Duration {
	at := history.Never
	for _, s := range slices.Concat(m.stopped[op.Node], m.away[op.Node]) {
		if s.To >= op.Invoke {
			at = min(at, s.From)
		}
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		// What was lost before it healed may end the session a little later.
		if plus(f.Healed, m.b.Desktop) >= op.Invoke && (onTheWay(&f.Effect, op) || slices.Contains(f.Effect.Busy, op.Node)) {
			at = min(at, f.Inject)
		}
	}
	return at
}

// onTheWay tells whether the effect concerns packets between client and node.
func onTheWay(e *history.Effect, op *history.Op) bool {
	if op.Home == "" || op.Home == op.Node {
		return false
	}
	ways := []pair{{From: op.Home, To: op.Node}, {From: op.Node, To: op.Home}}
	return slices.ContainsFunc(ways, func(p pair) bool { return slices.Contains(e.Cut, p) || slices.Contains(e.Unsteady, p) })
}

// sessionEnd is when a gateway's registration is surely over: its client took
// it back or hung up, its node died, or a cut lasted for longer than the node
// waits for a gateway that says nothing.
func (t *truth) sessionEnd(m *model, r *registration) time.Duration {
	end := history.Never
	for _, u := range t.unreg {
		if u.OK() && takes(u, r) && (u.Kind == history.HangUp && u.Invoke >= r.Invoke || u.Invoke > r.latest) {
			end = min(end, u.latest)
		}
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		s := sure(f)
		s.From = max(s.From, r.latest)
		if onTheWay(&history.Effect{Cut: f.Effect.Cut}, r.Op) && r.latest != history.Never && minus(s.To, s.From) >= m.b.Desktop {
			end = min(end, s.From+m.b.Desktop)
		}
	}
	for _, s := range m.stopped[r.Node] { // a node that stands still is late
		if s.From <= end && end <= s.To {
			end = plus(s.To, m.b.Desktop)
		}
	}
	for _, at := range m.deaths[r.Node] {
		if at >= r.Return {
			end = min(end, at)
		}
	}
	return end
}

// sessionText is a request of a T-Library client for people.
func sessionText(op *history.Op) string {
	switch op.Kind {
	case history.Agent, history.Person:
		return fmt.Sprintf("agent at DN %s to be %s", op.Key, op.Arg)
	case history.Reserve:
		return fmt.Sprintf("reserve DN %s for %v", op.Key, op.Expires)
	case history.HangUp:
		return fmt.Sprintf("the gateway or connection %s of DN %s is gone", op.Arg, op.Key)
	default:
		return fmt.Sprintf("%s DN %s", op.Kind, op.Key)
	}
}
