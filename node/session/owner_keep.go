package session

import (
	"context"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Restore gives the table back what was stored before a restart. Call it once,
// before anybody uses the table, after the SIP side gave its records back. A
// DN that has none comes back out of service: its phone or desktop registers
// it again, and finds the agent.
func (o *Owner) Restore() {
	view := o.cfg.View()
	for _, r := range o.store.restored() {
		// A configuration of no cluster is one that was lost, not one without DNs.
		if _, refused := o.configured(r.Number); refused != nil && view.Epoch() != "" {
			continue // the store forgets it when Run has seen the table
		}
		own, ok := o.table.Own(r.Number)
		if !ok {
			own = r
			if own.Reason = dn.DesktopLost; view.DN(string(r.Number)).GetKind() == configpb.DNKind_DN_KIND_SIP {
				own.Reason = dn.Expired
			}
		}
		if own.ClaimTime == r.ClaimTime {
			own.Seq = max(own.Seq, r.Seq) + 1
		}
		own.Agent = r.Agent
		o.table.Restore(own)
		if own, ok = o.table.Own(r.Number); ok && r.Reserved.Holder != "" {
			own.Reserved = r.Reserved
			o.table.Amend(own)
		}
	}
}

// follow keeps the store in agreement with the table, and the agenda with the
// reservations, whoever changed them: records come here from other nodes too.
func (o *Owner) follow(ctx context.Context) error {
	stream := o.table.Watch(dn.Resume{})
	var buf []dn.Item
	for {
		var err error
		if buf, err = stream.Next(ctx, buf[:0]); err != nil {
			return err
		}
		for i := range buf {
			switch buf[i].Kind {
			case dn.Row, dn.Change:
				if n := buf[i].Status.Number; buf[i].Status.Keeper == o.table.Self() || o.store.has(n) {
					o.sync(n)
					o.watchReservation(n)
				}
			case dn.EndOfSnapshot:
				for _, n := range o.store.numbers() {
					o.sync(n)
				}
			}
		}
	}
}

// sync brings the store to what the table says of a DN, and returns what is
// closed when that is stored. Calls may overlap: each looks again after it
// has written, so that the last word stays.
func (o *Owner) sync(n dn.Number) <-chan struct{} {
	for {
		r, ok := o.kept(n)
		keep := ok && (r.Agent != nil || r.Reserved.Holder != "")
		var stored <-chan struct{}
		if keep {
			stored = o.store.put(&r)
		} else {
			stored = o.store.drop(n)
		}
		now, still := o.kept(n)
		if still == ok && (!ok || now.ClaimTime == r.ClaimTime && now.Seq == r.Seq) {
			return stored
		}
	}
}
