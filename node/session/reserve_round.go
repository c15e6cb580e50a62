package session

import (
	"context"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// reserveHere takes part in the DN's round at the node that keeps it.
func (o *Owner) reserveHere(ctx context.Context, n dn.Number, r Request) error {
	if r.Duration == 0 {
		return o.release(ctx, n, r.Holder)
	}
	if r.AtOnce {
		return awardedHere(o.grant(n, r))
	}
	if _, refused, ok := o.free(n, ""); !ok {
		return errElsewhere
	} else if refused != nil {
		return refused
	}
	b := &bid{Request: r, answer: make(chan award, 1)}
	if err := o.join(n, b); err != nil {
		return err
	}
	select {
	case a := <-b.answer:
		return o.awarded(ctx, a)
	case <-ctx.Done():
	}
	if b.turn.CompareAndSwap(waiting, left) {
		return ctx.Err()
	}
	if a := <-b.answer; a.refused == nil { // it won, and nobody is there to use it
		o.giveBack(n, r.Holder, a.until)
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

func (o *Owner) awarded(ctx context.Context, a award) error {
	if a.refused != nil {
		return a.refused
	}
	o.store.await(ctx, a.stored)
	return nil
}

// free is this node's record of a DN that can be reserved, or why it can't; a
// reservation of insteadOf is none. False: this node does not keep it.
func (o *Owner) free(n dn.Number, insteadOf string) (r dn.Record, refused *Error, ok bool) {
	view := o.cfg.View()
	d, refused := o.configured(n)
	if refused != nil {
		return r, refused, true
	}
	for range maxAmends {
		s, known := o.table.Get(n)
		if !known || s.Keeper != o.table.Self() {
			return r, nil, false
		}
		r, own := o.table.Own(n)
		if own && r.ClaimTime == s.Version.Claim.Time && r.Seq == s.Version.Seq {
			if insteadOf != "" && r.Reserved.Holder == insteadOf {
				s.Reserved = false
			}
			s.Busy = s.Busy || o.inCall(n)
			return r, refusal(&s, d, view), true
		}
	}
	return r, tooBusy(n), true
}

// join adds a bid to the DN's round, which it opens when there is none.
func (o *Owner) join(n dn.Number, b *bid) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return stopping(n)
	}
	r := o.rounds[n]
	if r == nil {
		if len(o.rounds) >= maxRounds {
			return fail(tlibpb.ErrorCode_INTERNAL_ERROR, "requests for %d DNs are being collected at their owner: try again", maxRounds)
		}
		r = &round{}
		o.rounds[n] = r
		o.plan(alarm{n: n, what: settleRound}, time.Now().Add(o.collecting()))
	}
	if len(r.bids) >= maxBids {
		r.bids = slices.DeleteFunc(r.bids, func(b *bid) bool { return b.turn.Load() == left })
	}
	if len(r.bids) >= maxBids {
		return fail(tlibpb.ErrorCode_RESOURCE_SEIZED, "%d requests for DN %s are being collected already", maxBids, n)
	}
	r.bids = append(r.bids, b)
	return nil
}

// settle ends the DN's round.
func (o *Owner) settle(n dn.Number) {
	o.mu.Lock()
	r := o.rounds[n]
	delete(o.rounds, n)
	o.mu.Unlock()
	if r == nil {
		return
	}
	best := pick(r.bids)
	if best == nil {
		return
	}
	a := o.grant(n, best.Request)
	best.answer <- a
	if a.refused == nil {
		a.refused = fail(tlibpb.ErrorCode_RESOURCE_SEIZED, "DN %s is reserved for another client", n)
	}
	r.refuse(a.refused)
}

// refuse answers all that still wait.
func (r *round) refuse(why *Error) {
	for _, b := range r.bids {
		if b.turn.CompareAndSwap(waiting, picked) {
			b.answer <- award{refused: why}
		}
	}
}

// stop refuses what nobody will settle any more.
func (o *Owner) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	for n, r := range o.rounds {
		r.refuse(stopping(n))
	}
	clear(o.rounds)
}

func stopping(n dn.Number) *Error {
	return fail(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s: its owner is stopping", n)
}

// grant puts a reservation into the DN's record, if it can still be routed to.
func (o *Owner) grant(n dn.Number, req Request) award {
	for range maxAmends {
		r, refused, ok := o.free(n, req.InsteadOf)
		switch {
		case !ok:
			return award{elsewhere: true, refused: fail(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s went to another node while requests were collected: try again", n)}
		case refused != nil:
			return award{refused: refused}
		}
		until := time.Now().Add(req.Duration)
		r.Reserved = dn.Reservation{Holder: req.Holder, Left: int64(req.Duration)}
		if _, ok := o.table.Amend(r); ok {
			o.watchReservation(n)
			return award{until: until, stored: o.sync(n)}
		}
	}
	return award{refused: tooBusy(n)}
}

// release ends the holder's reservation.
func (o *Owner) release(ctx context.Context, n dn.Number, holder string) error {
	for range maxAmends {
		r, ok := o.kept(n)
		switch {
		case !ok:
			return errElsewhere
		case r.Reserved.Holder == "":
			return fail(tlibpb.ErrorCode_IN_SAME_STATE, "DN %s is not reserved", n)
		case r.Reserved.Holder != holder:
			return fail(tlibpb.ErrorCode_RESOURCE_SEIZED, "DN %s is reserved for another client", n)
		}
		r.Reserved = dn.Reservation{}
		if _, ok := o.table.Amend(r); ok {
			o.watchReservation(n)
			o.store.await(ctx, o.sync(n))
			return nil
		}
	}
	return tooBusy(n)
}

// giveBack ends a reservation that its holder never heard of, and no other.
func (o *Owner) giveBack(n dn.Number, holder string, until time.Time) {
	for range maxAmends {
		r, ok := o.kept(n)
		if !ok || r.Reserved.Holder != holder || (time.Until(until)-time.Duration(r.Reserved.Left)).Abs() > 50*time.Millisecond {
			return
		}
		r.Reserved = dn.Reservation{}
		if _, ok := o.table.Amend(r); ok {
			o.watchReservation(n)
			o.sync(n)
			return
		}
	}
}

// expire tells everybody of a reservation's end.
func (o *Owner) expire(n dn.Number) {
	for range maxAmends {
		r, ok := o.kept(n)
		if !ok {
			return
		}
		if r.Reserved.Holder != "" {
			o.watchReservation(n)
			return
		}
		if _, ok := o.table.Amend(r); ok { // what is over is no part of r
			o.sync(n)
			return
		}
	}
}
