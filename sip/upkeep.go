package sip

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// tick is how often lifetimes and draining are looked at.
const tick = 250 * time.Millisecond

// restore tells the table what the store kept over a restart. Bindings whose
// lifetime is over, and those of connections, which ended with the process, go;
// nothing else is written again.
func (g *registrar) restore() {
	now := g.now()
	gone := func(b *location.Binding) bool { return b.Transport.Connected() || !b.Expires.After(now) }
	g.store.Range(func(e *location.Entry) bool {
		g.table.Restore(e.Record)
		g.stats.bindings.Add(int64(len(e.Bindings)))
		for i := range e.Bindings {
			if gone(&e.Bindings[i]) {
				g.drop(e.Record.Number, dn.Expired, gone)
				break
			}
		}
		return true
	})
}

// drop ends the bindings of a DN that gone picks; without one left the DN goes
// out of service for the reason.
func (g *registrar) drop(n dn.Number, reason dn.Reason, gone func(*location.Binding) bool) {
	mu := g.lock(string(n))
	defer mu.Unlock()
	e := g.store.Get(n)
	if e == nil || len(e.Bindings) == 0 {
		return
	}
	had := len(e.Bindings)
	kept := slices.DeleteFunc(e.Bindings, func(b location.Binding) bool { return gone(&b) })
	if len(kept) == had {
		return // a refresh that came first has told the store of the new end
	}
	g.stats.expirations.Add(uint64(had - len(kept)))
	g.stats.bindings.Add(int64(len(kept) - had))
	if len(kept) > 0 {
		g.store.Put(&location.Entry{Record: e.Record, Bindings: kept})
		return
	}
	g.log.Info("DN out of service", "dn", string(n), "reason", reason.String())
	g.end(n, e.Record.ClaimTime, reason)
}

// flowEnded drops the bindings of a DN that came over a connection.
func (g *registrar) flowEnded(k flowKey, n dn.Number) {
	g.drop(n, dn.Expired, k.carries)
}

// bound tells whether a DN has a binding that came over a connection.
func (g *registrar) bound(k flowKey, n dn.Number) bool {
	e := g.store.Get(n)
	return e != nil && slices.ContainsFunc(e.Bindings, func(b location.Binding) bool { return k.carries(&b) })
}

// carries tells whether a binding came over the connection.
func (k flowKey) carries(b *location.Binding) bool {
	return b.Transport.Connected() && b.Transport == k.transport && b.Source == k.peer
}

// expire ends bindings whose lifetime is over, and all while the node is draining.
func (g *registrar) expire(ctx context.Context, flush func()) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	drained := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		now := g.now()
		due := g.store.Due(now)
		for _, n := range due {
			g.drop(n, dn.Expired, func(b *location.Binding) bool { return !b.Expires.After(now) })
		}
		draining := g.draining()
		if draining && !drained {
			g.log.Info("draining: all DNs of this node go out of service")
		}
		drained = draining
		// At each tick: a REGISTER that was on its way may have come behind the last.
		if draining && g.stats.bindings.Load() > 0 {
			g.giveUpAll()
		}
		if len(due) > 0 || draining {
			flush()
		}
	}
}

// giveUpAll takes every DN of this node out of service.
func (g *registrar) giveUpAll() {
	g.store.Range(func(e *location.Entry) bool {
		g.drop(e.Record.Number, dn.Admin, func(*location.Binding) bool { return true })
		return true
	})
}

// yield drops the bindings of DNs that a peer holds a greater claim on. The
// table has told everybody already, so nothing is ended here.
func (g *registrar) yield(ctx context.Context) error {
	for {
		list, err := g.table.Superseded().Next(ctx)
		if err != nil {
			return err
		}
		for _, x := range list {
			g.supersede(x)
		}
	}
}

func (g *registrar) supersede(x dn.Superseding) {
	mu := g.lock(string(x.Number))
	defer mu.Unlock()
	e := g.store.Get(x.Number)
	if e == nil || e.Record.ClaimTime > x.ClaimTime {
		return // it registered here again meanwhile
	}
	if rec, ok := g.table.Own(x.Number); ok && rec.ClaimTime == e.Record.ClaimTime {
		return // equal times: the node's id decided for us
	}
	g.stats.dropped.Add(1)
	g.stats.bindings.Add(-int64(len(e.Bindings)))
	g.store.Delete(x.Number)
}

// follow applies changes of the configuration to the registrations.
func (g *registrar) follow(ctx context.Context) error {
	w := g.machine.Watch()
	defer w.Close()
	for {
		c, err := w.Next(ctx)
		if err != nil {
			if errors.Is(err, fsm.ErrClosed) {
				return nil
			}
			return err
		}
		if c.All {
			g.store.Range(func(e *location.Entry) bool {
				g.reconcile(e.Record.Number)
				return true
			})
		}
		for _, n := range c.DNs {
			g.reconcile(dn.Number(n))
		}
	}
}

// reconcile ends what the configuration no longer allows.
func (g *registrar) reconcile(n dn.Number) {
	d := g.machine.View().DN(string(n))
	switch {
	case d == nil:
		mu := g.lock(string(n))
		defer mu.Unlock()
		if e := g.store.Get(n); e != nil {
			g.stats.bindings.Add(-int64(len(e.Bindings)))
			g.store.Delete(n)
			g.table.Remove(n, dn.Deleted)
		}
	case d.GetDisabled() || d.GetKind() != configpb.DNKind_DN_KIND_SIP:
		g.drop(n, dn.Admin, func(*location.Binding) bool { return true })
	}
}
