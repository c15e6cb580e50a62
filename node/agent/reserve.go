package agent

import (
	"context"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

const (
	maxDuration = time.Duration(dn.MaxReserved)
	// maxBids are collected for one DN, maxRounds DNs at a time.
	maxBids, maxRounds = 64, 10_000
)

// Reservation is a request for the reservation of a DN.
type Reservation struct {
	// Holder is unique in the cluster, 1 to 128 bytes: see HolderAt.
	Holder string
	// Duration from when it is granted, at most an hour, in whole ms; 0 cancels
	// the holder's reservation. Who has it already gets what it has, prolonged when
	// this is longer.
	Duration time.Duration
	// Priority: the highest one of those that are collected wins.
	Priority uint32
	// AtOnce: nothing is collected, a call is on its way. A reservation of
	// InsteadOf, who wants the call sent there, is taken over.
	AtOnce    bool
	InsteadOf string
}

// bid is a request that is being collected.
type bid struct {
	Reservation
	// turn decides between the caller who leaves and the one who picks.
	turn atomic.Int32
	// answer takes what became of it: one send, nobody waits.
	answer chan award
}

// The turns of a bid.
const (
	waiting int32 = iota
	left
	picked
)

// award is what became of a bid.
type award struct {
	refused *refusal.Error
	until   time.Time
	stored  <-chan struct{}
	// elsewhere: refused because another node keeps the DN now.
	elsewhere bool
}

// round collects the requests for one DN, in the order in which they came.
type round struct{ bids []*bid }

// Reserve reserves a DN for a holder, or takes that back. It is decided by the
// node that keeps the DN, after requests were collected there for the cluster's
// option reservation_collect_ms, and returns nil when this one won; then the
// reservation outlives that node's process. It ends when its time is over, when
// the holder takes it back or is said to have Ended, and dn.Lease after this node
// or the way from here to the DN's keeper was lost.
//
// The error is an *refusal.Error or the context's: RESOURCE_SEIZED for the others, and
// when the DN is busy or reserved for another one; OUT_OF_SERVICE when
// it can't be routed to otherwise; IN_SAME_STATE for taking back what is not
// reserved; INVALID_ATTRIBUTE; NOT_CONFIGURED; TIMEOUT when it may or may not
// have been done: then it ends by itself.
func (reg *Registry) Reserve(ctx context.Context, n dn.Number, r Reservation) error {
	if _, err := reg.configured(n); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	if r.Duration == 0 {
		reg.holds.drop(hold{n, r.Holder}) // whether its keeper hears it or not
	}
	var until time.Time
	err := reg.keepers.do(ctx, n, AnswerTimeout+reg.collecting(), func() (err error) {
		until, err = reg.reserveHere(ctx, n, r)
		return err
	}, func(ctx context.Context, keeper dn.Node, client peerpb.AgentsClient) error {
		began := time.Now()
		answer, err := client.Reserve(ctx, &peerpb.ReserveRequest{
			Dn: string(n), Holder: r.Holder, DurationMs: uint32(r.Duration.Milliseconds()), Priority: r.Priority,
			AtOnce: r.AtOnce, InsteadOf: r.InsteadOf,
		})
		now := time.Now()
		if r.Duration > 0 {
			reg.reserved.At(keeper).Observe(now.Sub(began))
		}
		if err != nil {
			return err
		}
		until = now.Add(time.Duration(answer.GetLeftMs()) * time.Millisecond)
		return answered(answer.GetErrorCode(), answer.GetErrorMessage())
	})
	if err == nil && r.Duration > 0 {
		reg.holds.add(hold{n, r.Holder}, until)
		if r.InsteadOf != r.Holder {
			reg.holds.drop(hold{n, r.InsteadOf})
		}
	}
	return err
}

func (reg *Registry) collecting() time.Duration {
	return time.Duration(reg.cfg.View().Options().GetReservationCollectMs()) * time.Millisecond
}

// check returns nil when the request is valid.
func (r *Reservation) check() error {
	switch {
	case r.Holder == "" || len(r.Holder) > dn.MaxHolder || !utf8.ValidString(r.Holder):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a reservation needs a holder of 1 to %d bytes in UTF-8", dn.MaxHolder)
	case len(r.InsteadOf) > dn.MaxHolder || !utf8.ValidString(r.InsteadOf):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a holder has at most %d bytes in UTF-8", dn.MaxHolder)
	case r.Duration < 0 || r.Duration > maxDuration:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a reservation holds for at most %v", maxDuration)
	case r.Duration != r.Duration.Truncate(time.Millisecond):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a reservation holds for a whole number of ms")
	}
	return nil
}

// Unavailable says why no call can be sent to a DN now; nil when one can.
func Unavailable(s *dn.Status, d *configpb.DN, view *fsm.View) *refusal.Error {
	switch {
	case d.GetDisabled():
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is disabled", s.Number)
	case s.State != dn.InSrv:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service", s.Number)
	case s.Reason == dn.Unresponsive:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s: its phone does not answer", s.Number)
	case s.DoNotDisturb:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s: do not disturb", s.Number)
	case s.CoolUntil != 0:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s did not answer lately", s.Number)
	case s.Reserved && !s.Room:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN %s is reserved for another client", s.Number)
	case s.Busy:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN %s is busy", s.Number)
	case !s.Routable(view.LoginRequired(d)):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s: agent not ready", s.Number)
	}
	return nil
}

// winner picks the highest priority, among equals the first, of those that
// still wait; nil when there is none.
func winner(bids []*bid) *bid {
	var best *bid
	for _, b := range bids {
		if b.turn.Load() == waiting && (best == nil || b.Priority > best.Priority) {
			best = b
		}
	}
	return best
}

// pick takes the winner out of reach of a caller who leaves.
func pick(bids []*bid) *bid {
	for {
		b := winner(bids)
		if b == nil || b.turn.CompareAndSwap(waiting, picked) {
			return b
		}
	}
}
