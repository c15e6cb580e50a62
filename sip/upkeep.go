package sip

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// tick is how often lifetimes and draining are looked at.
const tick = 250 * time.Millisecond

// run ends registrations until ctx ends; flush makes that durable.
func (g *registrar) run(ctx context.Context, flush func()) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.expire(ctx, flush) })
	group.Go(func() error { return g.yield(ctx) })
	group.Go(func() error { return g.follow(ctx) })
	return group.Wait()
}

// restore tells the table what the store kept over a restart. Bindings whose
// lifetime is over, and those of connections, which ended with the process, go;
// nothing else is written again.
func (g *registrar) restore() {
	now := g.cfg.now()
	gone := func(b *location.Binding) bool { return b.Transport.Connected() || !b.Expires.After(now) }
	g.cfg.store.Range(func(e *location.Entry) bool {
		g.cfg.table.Restore(e.Record)
		g.cfg.stats.Bindings.Add(int64(len(e.Bindings)))
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
	e := g.cfg.store.Get(n)
	if e == nil || len(e.Bindings) == 0 {
		return
	}
	had := len(e.Bindings)
	kept := slices.DeleteFunc(e.Bindings, func(b location.Binding) bool { return gone(&b) })
	if len(kept) == had {
		return // a refresh that came first has told the store of the new end
	}
	g.cfg.stats.Expirations.Add(uint64(had - len(kept)))
	g.cfg.stats.Bindings.Add(int64(len(kept) - had))
	if len(kept) > 0 {
		g.cfg.store.Put(&location.Entry{Record: e.Record, Bindings: kept})
		return
	}
	g.cfg.log.Info("DN out of service", "dn", string(n), "reason", reason.String())
	g.end(n, e.Record.ClaimTime, reason)
}

// flowEnded drops the bindings of a DN that came over a connection.
func (g *registrar) flowEnded(k wire.FlowKey, n dn.Number) {
	g.drop(n, dn.Expired, k.Carries)
}

// bound tells whether a DN has a binding that came over a connection.
func (g *registrar) bound(k wire.FlowKey, n dn.Number) bool {
	e := g.cfg.store.Get(n)
	return e != nil && slices.ContainsFunc(e.Bindings, func(b location.Binding) bool { return k.Carries(&b) })
}

// unanswered ends a binding whose phone does not answer.
func (g *registrar) unanswered(n dn.Number, contact, callID string) {
	g.drop(n, dn.Expired, func(b *location.Binding) bool { return b.Contact == contact && b.CallID == callID })
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
		now := g.cfg.now()
		due := g.cfg.store.Due(now)
		for _, n := range due {
			g.drop(n, dn.Expired, func(b *location.Binding) bool { return !b.Expires.After(now) })
		}
		draining := g.cfg.draining()
		if draining && !drained {
			g.cfg.log.Info("draining: all DNs of this node go out of service")
		}
		drained = draining
		// At each tick: a REGISTER that was on its way may have come behind the last.
		if draining && g.cfg.stats.Bindings.Load() > 0 {
			g.giveUpAll()
		}
		if len(due) > 0 || draining {
			flush()
		}
	}
}

// giveUpAll takes every DN of this node out of service.
func (g *registrar) giveUpAll() {
	g.cfg.store.Range(func(e *location.Entry) bool {
		g.drop(e.Record.Number, dn.Admin, func(*location.Binding) bool { return true })
		return true
	})
}

// yield drops the bindings of DNs that a peer holds a greater claim on. The
// table has told everybody already, so nothing is ended here.
func (g *registrar) yield(ctx context.Context) error {
	for {
		list, err := g.cfg.table.Superseded().Next(ctx)
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
	e := g.cfg.store.Get(x.Number)
	if e == nil || e.Record.ClaimTime > x.ClaimTime {
		return // it registered here again meanwhile
	}
	if rec, ok := g.cfg.table.Own(x.Number); ok && rec.ClaimTime == e.Record.ClaimTime {
		return // equal times: the node's id decided for us
	}
	g.cfg.stats.Dropped.Add(1)
	g.cfg.stats.Bindings.Add(-int64(len(e.Bindings)))
	g.cfg.store.Delete(x.Number)
}

// follow applies changes of the configuration to the registrations.
func (g *registrar) follow(ctx context.Context) error {
	w := g.cfg.machine.Watch()
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
			g.cfg.store.Range(func(e *location.Entry) bool {
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
	d := g.cfg.machine.View().DN(string(n))
	switch {
	case d == nil:
		mu := g.lock(string(n))
		defer mu.Unlock()
		if e := g.cfg.store.Get(n); e != nil {
			g.cfg.stats.Bindings.Add(-int64(len(e.Bindings)))
			g.cfg.store.Delete(n)
			g.cfg.table.Remove(n, dn.Deleted)
		}
	case d.GetDisabled() || d.GetKind() != configpb.DNKind_DN_KIND_SIP:
		g.drop(n, dn.Admin, func(*location.Binding) bool { return true })
	}
}
