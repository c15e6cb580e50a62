package agent

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// reserveHere takes part in the DN's round at the node that keeps it.
func (reg *Registry) reserveHere(ctx context.Context, n dn.Number, r Reservation) (until time.Time, err error) {
	if r.Duration == 0 {
		return time.Time{}, reg.release(ctx, n, r.Holder)
	}
	if r.AtOnce {
		return awardedHere(reg.grant(n, r))
	}
	if a, has := reg.prolong(n, r); has {
		return reg.awarded(ctx, a)
	}
	if _, refused, ok := reg.free(n, ""); !ok {
		return time.Time{}, errElsewhere
	} else if refused != nil {
		return time.Time{}, refused
	}
	b := &bid{Reservation: r, answer: make(chan award, 1)}
	if err := reg.schedule.join(n, b, reg.collecting()); err != nil {
		return time.Time{}, err
	}
	select {
	case a := <-b.answer:
		return reg.awarded(ctx, a)
	case <-ctx.Done():
	}
	if b.turn.CompareAndSwap(waiting, left) {
		return time.Time{}, ctx.Err()
	}
	if a := <-b.answer; a.refused == nil { // it won, and nobody is there to use it
		reg.giveBack(n, r.Holder, a.until)
	}
	return time.Time{}, ctx.Err()
}

// awardedHere is what became of a request that was not collected. A call does
// not wait until its reservation is stored.
func awardedHere(a award) (until time.Time, err error) {
	switch {
	case a.elsewhere:
		return time.Time{}, errElsewhere
	case a.refused != nil:
		return time.Time{}, a.refused
	}
	return a.until, nil
}

func (reg *Registry) awarded(ctx context.Context, a award) (until time.Time, err error) {
	if a.refused != nil {
		return time.Time{}, a.refused
	}
	reg.store.await(ctx, a.stored)
	return a.until, nil
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
			if _, has := r.Reserved.Of(insteadOf); has && insteadOf != "" {
				s.Room = true // its own
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
	for best := pick(r.bids); best != nil; best = pick(r.bids) { // as many win as calls have room
		a := reg.grant(n, best.Reservation)
		best.answer <- a
		if a.refused != nil {
			r.refuse(a.refused)
			return
		}
		for _, b := range r.bids { // the winner may have asked twice
			if b.Holder == best.Holder && b.turn.CompareAndSwap(waiting, picked) {
				b.answer <- reg.grant(n, b.Reservation)
			}
		}
	}
}

// prolong gives a holder what it has, for as long as it asks for when that is longer;
// false when it has nothing here.
func (reg *Registry) prolong(n dn.Number, req Reservation) (award, bool) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok {
			return award{}, false
		}
		has, is := r.Reserved.Of(req.Holder)
		if !is {
			return award{}, false
		}
		if left := int64(req.Duration); left > has.Left {
			has.Left = left
			r.Reserved = r.Reserved.With(has)
			if _, ok = reg.table.Amend(r); !ok {
				continue
			}
		}
		reg.renewed(n, req.Holder)
		return award{until: time.Now().Add(time.Duration(has.Left)), stored: reg.sync(n)}, true
	}
	return award{refused: tooBusy(n)}, true
}

// grant puts a reservation into the DN's record, if it can still be routed to.
func (reg *Registry) grant(n dn.Number, req Reservation) award {
	if a, has := reg.prolong(n, req); has {
		return a
	}
	for range maxAmends {
		r, refused, ok := reg.free(n, req.InsteadOf)
		switch {
		case !ok:
			return award{elsewhere: true, refused: refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s went to another node while requests were collected: try again", n)}
		case refused != nil:
			return award{refused: refused}
		}
		until := time.Now().Add(req.Duration)
		r.Reserved = r.Reserved.Without(req.InsteadOf).With(dn.Reservation{Holder: req.Holder, Left: int64(req.Duration)})
		if _, ok := reg.table.Amend(r); ok {
			reg.renewed(n, req.Holder)
			return award{until: until, stored: reg.sync(n)}
		}
	}
	return award{refused: tooBusy(n)}
}

// release ends the holder's reservation.
func (reg *Registry) release(ctx context.Context, n dn.Number, holder string) error {
	for range maxAmends {
		r, ok := reg.kept(n)
		_, has := r.Reserved.Of(holder)
		switch {
		case !ok:
			return errElsewhere
		case r.Reserved.Holder == "":
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE, "DN %s is not reserved", n)
		case !has:
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN %s is reserved for another client", n)
		}
		r.Reserved = r.Reserved.Without(holder)
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
	reg.end(n, func(r dn.Reservation) bool {
		return r.Holder == holder && (time.Until(until)-time.Duration(r.Left)).Abs() <= 50*time.Millisecond
	})
}

// end ends those of the DN's reservations that are meant.
func (reg *Registry) end(n dn.Number, meant func(dn.Reservation) bool) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok {
			return
		}
		was := r.Reserved
		if r.Reserved = was.Keep(func(x dn.Reservation) bool { return !meant(x) }); r.Reserved.Len() == was.Len() {
			return
		}
		if _, ok := reg.table.Amend(r); ok {
			reg.watchReservation(n)
			reg.sync(n)
			return
		}
	}
}

// expire ends a reservation whose lease is over, and tells everybody of the end of one
// whose time is.
func (reg *Registry) expire(n dn.Number) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok {
			return
		}
		was := r.Reserved
		r.Reserved = was.Keep(func(x dn.Reservation) bool { return reg.schedule.leased(n, x.Holder) })
		if was.Len() > 0 && r.Reserved.Len() == was.Len() && reg.schedule.leasesOf(n) <= was.Len() {
			reg.watchReservation(n)
			return
		}
		for x := range was.All() {
			if _, has := r.Reserved.Of(x.Holder); !has {
				reg.log.Info("a reservation ended: the node of its holder did not renew it", "dn", string(n), "holder", x.Holder)
			}
		}
		if _, ok := reg.table.Amend(r); ok { // what is over is no part of r
			reg.watchReservation(n)
			reg.sync(n)
			return
		}
	}
}
