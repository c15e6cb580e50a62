package registrar

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// tick is how often lifetimes and the end of a drain are looked at.
const tick = 200 * time.Millisecond

// holdAgain is how often a drained node looks for what a REGISTER registered that was
// past all checks at the deadline.
const holdAgain = 2 * time.Second

// Run ends registrations until ctx ends; flush makes that durable.
func (g *Registrar) Run(ctx context.Context, flush func()) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.expire(ctx, flush) })
	group.Go(func() error { return g.yield(ctx, flush) })
	group.Go(func() error { return g.follow(ctx, flush) })
	return group.Wait()
}

// Restore tells the table what the store kept over a restart. Bindings whose
// lifetime is over, and those of connections, which ended with the process, go;
// nothing else is written again. It returns the DNs with a phone that did not answer.
// REGISTERs may be served meanwhile, and before: each puts its own DN back.
func (g *Registrar) Restore() (silent []dn.Number) {
	g.start.changes, g.start.at = g.cfg.Machine.Tail(), g.cfg.Now().UnixNano()
	v := g.cfg.Machine.View()
	partial := g.cfg.Partial != nil && g.cfg.Partial()
	g.start.partial.Store(partial)
	g.touchEarly()
	g.cfg.Table.Expect(max(g.cfg.Store.Len(), v.NumDNs()))
	g.cfg.Store.Range(func(e *location.Entry) bool {
		n := e.Record.Number
		if g.restore(e) {
			silent = append(silent, n)
		}
		if d := v.DN(string(n)); !partial && !phones(d) {
			g.start.unserved = append(g.start.unserved, unserved{n, d == nil})
		}
		return true
	})
	g.restored.Store(true)
	return silent
}

// touchEarly has the table ask again about the DNs that were registered while the
// configuration was read, perhaps by a file that turned out damaged.
func (g *Registrar) touchEarly() {
	early := map[dn.Number]struct{}{}
	g.cfg.Table.Range("", func(s dn.Status) bool {
		early[s.Number] = struct{}{}
		return true
	})
	g.cfg.Table.Touch(early)
}

// phones tells whether the configuration has phones register the DN.
func phones(d *configpb.DN) bool {
	return d.GetKind() == configpb.DNKind_DN_KIND_SIP && !d.GetDisabled()
}

// restore is Restore for a DN that had an entry.
func (g *Registrar) restore(e *location.Entry) (silent bool) {
	defer g.lock(string(e.Record.Number)).Unlock()
	if !g.putBack(e) {
		if e = g.cfg.Store.Get(e.Record.Number); e == nil {
			return false
		}
	}
	g.start.held = g.start.held || len(e.Bindings) > 0 && e.Record.State == dn.OOS
	return slices.ContainsFunc(e.Bindings, func(b location.Binding) bool { return b.Unresponsive })
}

// putBack gives the table the record of an entry, unless it has it. The caller holds the
// DN's lock, under which the entry stands as it was read or the table knows the DN.
func (g *Registrar) putBack(e *location.Entry) bool {
	rec, now := e.Record, g.cfg.Now()
	rec.Spoken.Usual = usual(e.Bindings)
	if !g.cfg.Table.PutBack(rec) {
		return false
	}
	g.cfg.Stats.Bindings.Add(int64(len(e.Bindings)))
	gone := func(b *location.Binding) bool { return b.Transport.Connected() || !b.Expires.After(now) }
	for i := range e.Bindings {
		if gone(&e.Bindings[i]) {
			g.dropHere(rec.Number, dn.Expired, gone)
			break
		}
	}
	return true
}

// drop ends the bindings of a DN that gone picks; without one left the DN goes
// out of service for the reason.
func (g *Registrar) drop(n dn.Number, reason dn.Reason, gone func(*location.Binding) bool) {
	defer g.lock(string(n)).Unlock()
	g.dropHere(n, reason, gone)
}

// dropHere is drop for who holds the DN's lock.
func (g *Registrar) dropHere(n dn.Number, reason dn.Reason, gone func(*location.Binding) bool) {
	e := g.cfg.Store.Get(n)
	if e == nil || len(e.Bindings) == 0 {
		return
	}
	had := len(e.Bindings)
	kept := slices.DeleteFunc(e.Bindings, func(b location.Binding) bool { return gone(&b) })
	if len(kept) == had {
		return // a refresh that came first has told the store of the new end
	}
	g.cfg.Stats.Expirations.Add(uint64(had - len(kept)))
	g.cfg.Stats.Bindings.Add(int64(len(kept) - had))
	if len(kept) > 0 {
		g.keep(e.Record, kept)
		return
	}
	g.cfg.Log.Info("DN out of service", "dn", string(n), "reason", reason.String())
	g.end(n, e.Record.ClaimTime, reason)
}

// FlowEnded drops the bindings of a DN that came over a connection.
func (g *Registrar) FlowEnded(k wire.FlowKey, n dn.Number) {
	g.drop(n, dn.Expired, k.Carries)
}

// Bound tells whether a DN has a binding that came over a connection.
func (g *Registrar) Bound(k wire.FlowKey, n dn.Number) bool {
	e := g.cfg.Store.Get(n)
	return e != nil && slices.ContainsFunc(e.Bindings, func(b location.Binding) bool { return k.Carries(&b) })
}

// expire ends bindings whose lifetime is over, and keeps the DNs out of service that
// are still here behind the deadline of a drain.
func (g *Registrar) expire(ctx context.Context, flush func()) error {
	t := beat.New(tick)
	defer t.Stop()
	drained, again := g.start.held, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			t.Again()
		}
		now := g.cfg.Now()
		due := g.cfg.Store.Due(now)
		for _, n := range due {
			g.drop(n, g.lapsed(), func(b *location.Binding) bool { return !b.Expires.After(now) })
		}
		turned := false
		if is := g.cfg.Drained(); is != drained || is && now.After(again) {
			drained, again, turned = is, now.Add(holdAgain), g.hold(is)
		}
		if g.complete() || len(due) > 0 || turned {
			flush()
		}
	}
}

// lapsed is the reason of a registration that was not refreshed in time.
func (g *Registrar) lapsed() dn.Reason {
	if g.cfg.Draining() {
		return dn.Admin // the refresh was refused
	}
	return dn.Expired
}

// hold takes every DN that is registered here out of service, or puts it back: a
// registration lasts until it ends by itself. It tells whether there was any.
func (g *Registrar) hold(back bool) bool {
	turn, from, reason := g.cfg.Table.Resume, dn.OOS, dn.Registered
	if back {
		turn, from, reason = g.cfg.Table.End, dn.InSrv, dn.Admin
	}
	turned := 0
	for _, n := range g.cfg.Store.Numbers() {
		if rec, known := g.cfg.Table.Own(n); known && rec.State == from && g.turn(n, from, reason, turn) {
			turned++
		}
	}
	switch {
	case turned == 0:
	case back:
		g.cfg.Log.Info("the drain's time is over: DNs that are still registered here go out of service", "dns", turned)
	default:
		g.cfg.Log.Info("the drain was undone: DNs that are still registered here are back in service", "dns", turned)
	}
	return turned > 0
}

// turn changes the state of a DN that has bindings, and keeps those.
func (g *Registrar) turn(n dn.Number, from dn.State, reason dn.Reason, turn func(dn.Number, int64, dn.Reason) (dn.Record, bool)) bool {
	mu := g.lock(string(n))
	defer mu.Unlock()
	e := g.cfg.Store.Get(n)
	if e == nil || len(e.Bindings) == 0 || e.Record.State != from {
		return false
	}
	rec, ok := turn(n, e.Record.ClaimTime, reason)
	if ok {
		g.keep(rec, e.Bindings)
	}
	return ok
}

// yield drops the bindings of DNs that a peer holds a greater claim on. The
// table has told everybody already, so nothing is ended here; the next process of this node
// is to know it even if the peer is lost by then.
func (g *Registrar) yield(ctx context.Context, flush func()) error {
	for {
		list, err := g.cfg.Table.Superseded().Next(ctx)
		if err != nil {
			return err
		}
		for _, x := range list {
			if x.ClaimTime > 0 {
				g.supersede(x)
			}
			if x.Deleted {
				g.takeBack(x.Number)
			}
		}
		flush()
	}
}

func (g *Registrar) supersede(x dn.Superseding) {
	mu := g.lock(string(x.Number))
	defer mu.Unlock()
	e := g.cfg.Store.Get(x.Number)
	if e == nil || e.Record.ClaimTime > x.ClaimTime {
		return // it registered here again meanwhile
	}
	if rec, ok := g.cfg.Table.Own(x.Number); ok && rec.ClaimTime == e.Record.ClaimTime {
		return // equal times: the node's id decided for us
	}
	g.cfg.Stats.Dropped.Add(1)
	g.cfg.Stats.Bindings.Add(-int64(len(e.Bindings)))
	g.cfg.Store.Delete(x.Number)
	if len(e.Bindings) > 0 {
		g.aside.put(superseded{e, g.cfg.Now().Add(asideFor)})
	}
}

// follow applies changes of the configuration to the registrations. What it ended is
// durable at once: the configuration is, and tells the next process only what it is then.
func (g *Registrar) follow(ctx context.Context, flush func()) error {
	w := g.start.changes
	if w == nil {
		w = g.cfg.Machine.Watch()
	}
	defer w.Close()
	for _, u := range g.start.unserved { // perhaps it is somebody's again, by what came since
		g.endBefore(u.number, fsm.Withdrawal{At: g.start.at, Deleted: u.deleted})
	}
	g.start.unserved = nil
	for {
		flush()
		c, err := w.Next(ctx)
		if err != nil {
			if errors.Is(err, fsm.ErrClosed) {
				return nil
			}
			return err
		}
		if g.start.partial.Load() {
			continue // what it withdraws may have been withdrawn before those registered that are here
		}
		if c.All {
			g.reconcileAll()
		}
		for _, n := range c.DNs {
			g.reconcile(dn.Number(n))
		}
		g.former(c)
	}
}

// complete has the configuration count that lacked a part at the start, once it is that
// of the cluster.
func (g *Registrar) complete() bool {
	if !g.start.partial.Load() || g.behind() {
		return false
	}
	g.start.partial.Store(false) // what follow has left out until now reconcileAll sees
	g.reconcileAll()
	return true
}

func (g *Registrar) reconcileAll() {
	for _, n := range g.cfg.Store.Numbers() {
		g.reconcile(n)
	}
}

// reconcile ends what the configuration no longer allows.
func (g *Registrar) reconcile(n dn.Number) {
	d := g.cfg.Machine.View().DN(string(n))
	switch {
	case d == nil:
		mu := g.lock(string(n))
		defer mu.Unlock()
		if e := g.cfg.Store.Get(n); e != nil {
			g.remove(e)
		}
	case !phones(d):
		g.drop(n, dn.Admin, func(*location.Binding) bool { return true })
	}
}

// former ends the registrations of DNs that were withdrawn, though there are DNs of their
// numbers again: who had those before may be somebody else. Where it is not known what was
// withdrawn, somebody else is who has another password, and gets neither the phone nor the
// agent of before. A DN that was not known before, as by a node that began anew with a
// snapshot, keeps its phones.
func (g *Registrar) former(c fsm.Changes) {
	if c.Former != nil {
		v := g.cfg.Machine.View()
		for _, n := range append(g.cfg.Store.Numbers(), g.aside.numbers()...) {
			if was, is := c.Former.DN(string(n)), v.DN(string(n)); phones(was) && was.GetHa1() != is.GetHa1() {
				g.endBefore(n, fsm.Withdrawal{At: c.FormerAt, Deleted: true})
			}
		}
	}
	for n, w := range c.Withdrawn {
		g.endBefore(dn.Number(n), w)
	}
}

// endBefore ends a registration from before the DN was withdrawn, one that is aside as well. One that is ahead of the
// clock says not when it was: most of these were kept over a change of the clock.
func (g *Registrar) endBefore(n dn.Number, w fsm.Withdrawal) {
	defer g.lock(string(n)).Unlock()
	before := func(claim int64) bool { return claim < w.At || claim > g.cfg.Now().UnixNano() }
	g.aside.forget(n, before)
	e := g.cfg.Store.Get(n)
	if e == nil || !before(e.Record.ClaimTime) {
		return
	}
	if w.Deleted {
		g.remove(e)
		return
	}
	g.dropHere(n, dn.Admin, func(*location.Binding) bool { return true })
}

// remove forgets a DN that was deleted, for who holds its lock.
func (g *Registrar) remove(e *location.Entry) {
	g.cfg.Stats.Bindings.Add(-int64(len(e.Bindings)))
	g.cfg.Store.Delete(e.Record.Number)
	g.cfg.Table.Remove(e.Record.Number, dn.Deleted)
}
