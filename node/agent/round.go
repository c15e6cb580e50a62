package agent

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// reserveHere takes part in the DN's round at the node that keeps it.
func (reg *Registry) reserveHere(ctx context.Context, n dn.Number, r Reservation) error {
	if r.Duration == 0 {
		return reg.release(ctx, n, r.Holder)
	}
	if r.AtOnce {
		return awardedHere(reg.grant(n, r))
	}
	if _, refused, ok := reg.free(n, ""); !ok {
		return errElsewhere
	} else if refused != nil {
		return refused
	}
	b := &bid{Reservation: r, answer: make(chan award, 1)}
	if err := reg.schedule.join(n, b, reg.collecting()); err != nil {
		return err
	}
	select {
	case a := <-b.answer:
		return reg.awarded(ctx, a)
	case <-ctx.Done():
	}
	if b.turn.CompareAndSwap(waiting, left) {
		return ctx.Err()
	}
	if a := <-b.answer; a.refused == nil { // it won, and nobody is there to use it
		reg.giveBack(n, r.Holder, a.until)
	}
	return ctx.Err()
}

// awardedHere is what became of a request that was not collected. A call does
// not wait until its reservation is stored.
func awardedHere(a award) error {
	switch {
	case a.elsewhere:
		return errElsewhere
	case a.refused != nil:
		return a.refused
	}
	return nil
}

func (reg *Registry) awarded(ctx context.Context, a award) error {
	if a.refused != nil {
		return a.refused
	}
	reg.store.await(ctx, a.stored)
	return nil
}

// free is this node's record of a DN that can be reserved, or why it can't; a
// reservation of insteadOf is none. False: this node does not keep it.
func (reg *Registry) free(n dn.Number, insteadOf string) (r dn.Record, refused *refusal.Error, ok bool) {
	view := reg.cfg.View()
	d, refused := reg.configured(n)
	if refused != nil {
		return r, refused, true
	}
	for range maxAmends {
		s, known := reg.table.Get(n)
		if !known || s.Keeper != reg.table.Self() {
			return r, nil, false
		}
		r, own := reg.table.Own(n)
		if own && r.ClaimTime == s.Version.Claim.Time && r.Seq == s.Version.Seq {
			if insteadOf != "" && r.Reserved.Holder == insteadOf {
				s.Reserved = false
			}
			return r, Unavailable(&s, d, view), true
		}
	}
	return r, tooBusy(n), true
}

// settle ends the DN's round.
func (reg *Registry) settle(n dn.Number) {
	r := reg.schedule.takeRound(n)
	if r == nil {
		return
	}
	best := pick(r.bids)
	if best == nil {
		return
	}
	a := reg.grant(n, best.Reservation)
	best.answer <- a
	if a.refused == nil {
		a.refused = refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN %s is reserved for another client", n)
	}
	r.refuse(a.refused)
}

// grant puts a reservation into the DN's record, if it can still be routed to.
func (reg *Registry) grant(n dn.Number, req Reservation) award {
	for range maxAmends {
		r, refused, ok := reg.free(n, req.InsteadOf)
		switch {
		case !ok:
			return award{elsewhere: true, refused: refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s went to another node while requests were collected: try again", n)}
		case refused != nil:
			return award{refused: refused}
		}
		until := time.Now().Add(req.Duration)
		r.Reserved = dn.Reservation{Holder: req.Holder, Left: int64(req.Duration)}
		if _, ok := reg.table.Amend(r); ok {
			reg.watchReservation(n)
			return award{until: until, stored: reg.sync(n)}
		}
	}
	return award{refused: tooBusy(n)}
}

// release ends the holder's reservation.
func (reg *Registry) release(ctx context.Context, n dn.Number, holder string) error {
	for range maxAmends {
		r, ok := reg.kept(n)
		switch {
		case !ok:
			return errElsewhere
		case r.Reserved.Holder == "":
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE, "DN %s is not reserved", n)
		case r.Reserved.Holder != holder:
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN %s is reserved for another client", n)
		}
		r.Reserved = dn.Reservation{}
		if _, ok := reg.table.Amend(r); ok {
			reg.watchReservation(n)
			reg.store.await(ctx, reg.sync(n))
			return nil
		}
	}
	return tooBusy(n)
}

// giveBack ends a reservation that its holder never heard of, and no other.
func (reg *Registry) giveBack(n dn.Number, holder string, until time.Time) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok || r.Reserved.Holder != holder || (time.Until(until)-time.Duration(r.Reserved.Left)).Abs() > 50*time.Millisecond {
			return
		}
		r.Reserved = dn.Reservation{}
		if _, ok := reg.table.Amend(r); ok {
			reg.watchReservation(n)
			reg.sync(n)
			return
		}
	}
}

// expire tells everybody of a reservation's end.
func (reg *Registry) expire(n dn.Number) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok {
			return
		}
		if r.Reserved.Holder != "" {
			reg.watchReservation(n)
			return
		}
		if _, ok := reg.table.Amend(r); ok { // what is over is no part of r
			reg.sync(n)
			return
		}
	}
}
