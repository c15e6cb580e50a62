package dn

import (
	"slices"
	"time"
)

// Loss is what becomes of an agent whose desktop is gone.
type Loss uint8

const (
	// LossKeep: the agent stays as he is.
	LossKeep Loss = iota
	// LossNotReady: who was ready, or would be after a wrap-up, is not ready.
	LossNotReady
	// LossLogout: nobody is logged in any more.
	LossLogout
)

// desktopLost is why an agent is not ready, or logged out, whose desktop is gone.
var desktopLost = []KeyValue{{Key: "reason", Value: "desktop-lost"}}

// Of is the agent after the loss of his desktop; ends tells whether his state would have
// ended by itself. The same agent when nothing changes.
func (l Loss) Of(a *Agent, ends bool, now int64) *Agent {
	switch {
	case l == LossKeep || a == nil || a.State == LoggedOut:
		return a
	case l == LossLogout:
		return &Agent{ID: a.ID, State: LoggedOut, Reasons: desktopLost, Since: now, Login: a.Login}
	case a.State == Ready || ends:
		return &Agent{ID: a.ID, State: NotReady, Reasons: desktopLost, Since: now, Login: a.Login}
	}
	return a
}

// Desktop is what holds for a DN that a desktop keeps in service.
type Desktop struct {
	Loss Loss
	// Grace is how long a desktop may take to come back whose node was lost, not itself.
	Grace time.Duration
	// Private: it has the DN for itself alone.
	Private bool
}

// RegisterDesktop is Register by a desktop. Who was ready at another one is not, when that
// one's node has been lost for longer than the grace; what became of him when his
// desktop ended, his node has said.
func (t *Table) RegisterDesktop(n Number, d Desktop) Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.register(n, Registered, DeskWay(d.Private), func(e *entry, r *record) {
		if k := t.keeper(e); k != nil && !t.awaits(k, d.Grace) {
			r.x = t.bereave(r.x, d.Loss)
		}
	})
}

// TakeBack registers a DN for a desktop that was here all the time, when another one that
// took it over is gone. Whoever has registered it since, anywhere, has the greater claim.
// False changes nothing: somebody has it in service, or its owner is only not heard.
func (t *Table) TakeBack(n Number) (Record, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[n]
	if e == nil {
		return Record{}, false
	}
	if b := t.best(e); b == nil || b.node == 0 || b.state != OOS || b.farewell() || !t.nodes[b.node].heard {
		return Record{}, false
	}
	return t.register(n, Registered, DeskWay(false), func(e *entry, r *record) { r.claim = e.maxClaim() + 1 }), true
}

// EndDesktop is End when the desktop is gone.
func (t *Table) EndDesktop(n Number, claimTime int64, r Reason, l Loss) (Record, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.turn(n, claimTime, InSrv, OOS, r, func(x *extra) *extra { return t.bereave(x, l) })
}

// awaits tells whether the desktop of a node that is lost may still come back as if
// nothing had been.
func (t *Table) awaits(k *record, grace time.Duration) bool {
	o := t.nodes[k.node]
	return o.heard || t.clock() < o.lostClock+int64(grace)
}

// Bereaved tells whether the agent is as he is because his desktop is gone.
func (a *Agent) Bereaved() bool { return a != nil && slices.Equal(a.Reasons, desktopLost) }

// bereaved tells whether the record says that the DN ended with its agent's desktop: no word
// about an agent who has gone on to another one meanwhile.
func (r *record) bereaved() bool { return r.state == OOS && r.x.agentOf().Bereaved() }

// bereave is x after the loss of the agent's desktop, with mu held.
func (t *Table) bereave(x *extra, l Loss) *extra {
	now := t.cfg.Now().UnixNano()
	a := l.Of(x.agentOf(), x != nil && x.ends > 0, now)
	if a == x.agentOf() {
		return x
	}
	y := *x
	y.agent, y.ends, y.said = a, 0, max(now, x.said+1)
	return &y
}
