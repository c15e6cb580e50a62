package registrar

import (
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

const (
	// asideFor is how long a superseded registration may count again: a node that comes back
	// after a cut has read what was configured meanwhile by then.
	asideFor = 5 * time.Minute
	// maxAside are remembered at least.
	maxAside = 1 << 13
)

// aside are registrations that a peer's greater claim has superseded. That peer may not have
// known yet that the DN was deleted, and is somebody else's now who registered here: it takes
// its word back when it learns so, and nobody would have the DN until the phone's next refresh.
type aside struct {
	mu  sync.Mutex
	set recent.Map[dn.Number, superseded]
}

func newAside() aside { return aside{set: recent.NewMap[dn.Number, superseded](maxAside)} }

type superseded struct {
	entry *location.Entry
	until time.Time
}

func (a *aside) put(s superseded) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set.Put(s.entry.Record.Number, s)
}

// take is what was put last, which is forgotten; not ok for nothing, or when it is too long ago.
func (a *aside) take(n dn.Number, now time.Time) (s superseded, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok = a.set.Get(n)
	a.set.Delete(n)
	return s, ok && !now.After(s.until)
}

// takeBack puts a superseded registration back in service, under the claim that it had: who
// has registered elsewhere since keeps the DN.
func (g *Registrar) takeBack(n dn.Number) {
	defer g.lock(string(n)).Unlock()
	now := g.cfg.Now()
	s, ok := g.aside.take(n, now)
	if !ok || g.cfg.Draining() || !g.cfg.Table.Unclaimed(n) || !phones(g.cfg.Machine.View().DN(string(n))) {
		return
	}
	e := s.entry
	e.Bindings = slices.DeleteFunc(e.Bindings, func(b location.Binding) bool {
		return !b.Expires.After(now) || b.Transport.Connected() && g.cfg.Flows.Get(wire.FlowKey{Transport: b.Transport, Peer: b.Source}) == nil
	})
	rec := e.Record
	if rec.Seq++; len(e.Bindings) == 0 || !g.cfg.Table.PutBack(rec) {
		return
	}
	g.cfg.Log.Info("the node that a DN had moved to knew it from before it was deleted: the registration here counts again", "dn", string(n))
	g.cfg.Stats.Bindings.Add(int64(len(e.Bindings)))
	g.keep(rec, e.Bindings)
}

// endAside has a REGISTER change what is aside of a DN of which nothing else is here: a phone
// that un-registers means that, and what is registered anew is all that there is.
func (g *Registrar) endAside(r *Request, n dn.Number, lim limits, now time.Time) {
	s, ok := g.aside.take(n, now)
	if !ok || r.registers() {
		return
	}
	dec := decide(r, s.entry.Bindings, lim, now, func(callID []byte) (uint32, bool, bool) {
		return g.history.last(string(n), callID, now)
	})
	if dec.fault == nil && dec.changed {
		g.remember(r, string(n), s.entry.Bindings, &dec, now)
		s.entry.Bindings = slices.Clone(dec.bindings)
	}
	if len(s.entry.Bindings) > 0 {
		g.aside.put(s)
	}
}

// forget drops what is aside of a DN when that is from before.
func (a *aside) forget(n dn.Number, before func(claim int64) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, ok := a.set.Get(n); ok && before(s.entry.Record.ClaimTime) {
		a.set.Delete(n)
	}
}

func (a *aside) numbers() []dn.Number {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []dn.Number
	for n := range a.set.All() {
		all = append(all, n)
	}
	return all
}
