package agent

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// Restore gives the table back what was stored before a restart. Call it once,
// before anybody uses the table, after the SIP side gave its records back. A
// DN that has none comes back out of service: its phone or desktop registers
// it again, and finds the agent.
func (reg *Registry) Restore() {
	view := reg.cfg.View()
	for _, r := range reg.store.restored() {
		// A configuration of no cluster is one that was lost, not one without DNs.
		if _, refused := reg.configured(r.Number); refused != nil && view.Epoch() != "" {
			continue // the store forgets it when Run has seen the table
		}
		own, ok := reg.table.Own(r.Number)
		if !ok {
			own = r
			if own.Reason = dn.DesktopLost; view.DN(string(r.Number)).GetKind() == configpb.DNKind_DN_KIND_SIP {
				own.Reason = dn.Expired
			}
		}
		if own.ClaimTime == r.ClaimTime {
			own.Seq = max(own.Seq, r.Seq) + 1
		}
		own.Agent, own.DoNotDisturb, own.CoolLeft, own.AgentLeft = r.Agent, r.DoNotDisturb, r.CoolLeft, r.AgentLeft
		own.Said = r.Said
		own.Desks = r.Desks
		reg.table.Restore(own)
		others := r.Reserved.Keep(func(x dn.Reservation) bool { return NodeOf(x.Holder) != reg.table.Self() })
		if own, ok = reg.table.Own(r.Number); ok && others.Holder != "" {
			own.Reserved = others
			reg.table.Amend(own)
		}
		reg.watchDesktop(&own)
	}
}

// follow keeps the store in agreement with the table, and the agenda with the
// reservations, whoever changed them: records come here from other nodes too.
func (reg *Registry) follow(ctx context.Context) error {
	stream := reg.table.Watch(feed.Position{})
	var buf []dn.Item
	for {
		var err error
		if buf, err = stream.Next(ctx, buf[:0]); err != nil {
			return err
		}
		for i := range buf {
			switch buf[i].Kind {
			case feed.Row, feed.Change:
				if st := &buf[i].Status; st.Reserved && reg.table.Lost(st.Keeper) {
					reg.schedule.planAt(alarm{n: st.Number, what: endInView}, minTime(time.Now().Add(dn.Lease), time.Unix(0, st.ReservedUntil)))
				}
				reg.watchEnds(&buf[i].Status)
				if st := &buf[i].Status; st.State == dn.OOS && st.Keeper != reg.table.Self() {
					reg.cfg.Left(st.Number)
				}
				if n := buf[i].Status.Number; reg.store.has(n) || reg.stores(&buf[i].Status) {
					reg.sync(n)
					reg.watchReservation(n)
				}
			case feed.EndOfSnapshot:
				for _, n := range reg.store.numbers() {
					reg.sync(n)
				}
			}
		}
	}
}

// stores tells whether this node keeps the DN, or stands by for who does, and it has
// something to store.
func (reg *Registry) stores(st *dn.Status) bool {
	return (st.Keeper == reg.table.Self() || st.Standby == reg.table.Self()) && keeps(st)
}

// stored is what this node stores of a DN: of one that it stands by for the agent alone, as
// its keeper says.
func (reg *Registry) stored(n dn.Number) (dn.Record, bool) {
	if r, ok := reg.kept(n); ok {
		return r, true
	}
	r, ok := reg.table.Own(n)
	r.Reserved = dn.Reservation{}
	return r, ok && r.Way.Line != 0 && r.State == dn.InSrv
}

// keeps tells whether the DN has something that its keeper stores.
func keeps(st *dn.Status) bool {
	return st.Agent != nil || st.Reserved || st.DoNotDisturb || st.CoolUntil != 0 || st.Desks != nil
}

// sync brings the store to what the table says of a DN, and returns what is
// closed when that is stored. Calls may overlap: each looks again after it
// has written, so that the last word stays.
func (reg *Registry) sync(n dn.Number) <-chan struct{} {
	for {
		r, ok := reg.stored(n)
		keep := ok && (r.Agent != nil || r.Reserved.Holder != "" || r.DoNotDisturb || r.CoolLeft > 0 || r.Desks != nil)
		var stored <-chan struct{}
		if keep {
			stored = reg.store.put(&r)
		} else {
			stored = reg.store.drop(n)
		}
		now, still := reg.stored(n)
		if still == ok && (!ok || now.ClaimTime == r.ClaimTime && now.Seq == r.Seq) {
			return stored
		}
	}
}
