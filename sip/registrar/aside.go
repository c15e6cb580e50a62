package registrar

import (
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

const (
	// asideFor is how long a superseded registration is remembered: a node that comes back
	// after a cut has read what was configured meanwhile by then.
	asideFor = 5 * time.Minute
	// maxAside bounds them.
	maxAside = 1 << 14
)

// aside are registrations that a peer's greater claim has superseded. That peer may not have
// known yet that the DN was deleted, and is somebody else's now who registered here: it takes
// its word back when it learns so, and nobody would have the DN until the phone's next refresh.
type aside struct {
	mu  sync.Mutex
	set map[dn.Number]superseded
}

type superseded struct {
	entry *location.Entry
	until time.Time
}

func (a *aside) put(e *location.Entry, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.set == nil {
		a.set = map[dn.Number]superseded{}
	}
	if len(a.set) < maxAside {
		a.set[e.Record.Number] = superseded{e, now.Add(asideFor)}
	}
}

func (a *aside) drop(n dn.Number) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.set, n)
}

func (a *aside) get(n dn.Number) *location.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.set[n].entry
}

// numbers are those whose time is not over; the others are forgotten.
func (a *aside) numbers(now time.Time) (list []dn.Number) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, s := range a.set {
		if now.After(s.until) {
			delete(a.set, n)
		} else {
			list = append(list, n)
		}
	}
	return list
}

// takeBack puts superseded registrations back in service whose DNs nobody has a word about
// any more; it tells whether there was any.
func (g *Registrar) takeBack(now time.Time) (any bool) {
	if g.cfg.Draining() {
		return false
	}
	for _, n := range g.aside.numbers(now) {
		if g.cfg.Table.Unclaimed(n) && g.takeBackOne(n, now) {
			any = true
		}
	}
	return any
}

func (g *Registrar) takeBackOne(n dn.Number, now time.Time) bool {
	defer g.lock(string(n)).Unlock()
	e := g.aside.get(n)
	if e == nil || !g.cfg.Table.Unclaimed(n) {
		return false // it was withdrawn, or registered, meanwhile
	}
	g.aside.drop(n)
	e.Bindings = slices.DeleteFunc(e.Bindings, func(b location.Binding) bool {
		return !b.Expires.After(now) || b.Transport.Connected() && g.cfg.Flows.Get(wire.FlowKey{Transport: b.Transport, Peer: b.Source}) == nil
	})
	if len(e.Bindings) == 0 || !phones(g.cfg.Machine.View().DN(string(n))) {
		return false
	}
	g.cfg.Log.Info("the node that a DN had moved to has taken that back: the registration here counts again", "dn", string(n))
	g.cfg.Stats.Bindings.Add(int64(len(e.Bindings)))
	g.keep(g.cfg.Table.RegisterPhone(n, dn.Registered, e.Record.Way, usual(e.Bindings)), e.Bindings)
	return true
}
