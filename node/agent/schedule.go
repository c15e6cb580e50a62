package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// schedule is what is to be done about DNs later: the rounds in which requests
// are collected, and the ends of reservations and of their leases.
type schedule struct {
	mu     sync.Mutex
	rounds map[dn.Number]*round
	leases map[dn.Number][]lease
	agenda agenda
	// stopped: nobody keeps the agenda any more.
	stopped bool
	// changed wakes the one that keeps the agenda.
	changed wake.Signal
}

func newSchedule() *schedule {
	return &schedule{rounds: map[dn.Number]*round{}, leases: map[dn.Number][]lease{}, agenda: newAgenda(), changed: wake.New()}
}

// plan sets an alarm, with s.mu held.
func (s *schedule) plan(a alarm, due time.Time) {
	s.agenda.set(a, due)
	if s.agenda.heap[0].alarm == a {
		s.changed.Send()
	}
}

// planAt sets an alarm.
func (s *schedule) planAt(a alarm, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan(a, due)
}

// join adds a bid to the DN's round; one that it opens collects for that long.
func (s *schedule) join(n dn.Number, b *bid, collecting time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return stopping(n)
	}
	r := s.rounds[n]
	if r == nil {
		if len(s.rounds) >= maxRounds {
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "requests for %d DNs are being collected at their owner: try again", maxRounds)
		}
		r = &round{}
		s.rounds[n] = r
		s.plan(alarm{n: n, what: settleRound}, time.Now().Add(collecting))
	}
	if len(r.bids) >= maxBids {
		r.bids = slices.DeleteFunc(r.bids, func(b *bid) bool { return b.turn.Load() == left })
	}
	if len(r.bids) >= maxBids {
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "%d requests for DN %s are being collected already", maxBids, n)
	}
	r.bids = append(r.bids, b)
	return nil
}

// takeRound takes the DN's round out; nil when there is none.
func (s *schedule) takeRound(n dn.Number) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rounds[n]
	delete(s.rounds, n)
	return r
}

// refuse answers all that still wait.
func (r *round) refuse(why *refusal.Error) {
	for _, b := range r.bids {
		if b.turn.CompareAndSwap(waiting, picked) {
			b.answer <- award{refused: why}
		}
	}
}

// stop refuses what nobody will settle any more.
func (s *schedule) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for n, r := range walk.Map(&s.mu, s.rounds) {
		delete(s.rounds, n)
		r.refuse(stopping(n))
	}
}

func stopping(n dn.Number) *refusal.Error {
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s: its owner is stopping", n)
}

// watchReservation plans the next end of one of the DN's reservations, when this node keeps
// the DN. Calls may overlap; each change of the record is followed by one.
func (reg *Registry) watchReservation(n dn.Number) {
	a := alarm{n: n, what: endReservation}
	reg.schedule.mu.Lock()
	defer reg.schedule.mu.Unlock()
	r, ok := reg.kept(n)
	if !ok || r.Reserved.Holder == "" {
		delete(reg.schedule.leases, n)
		reg.schedule.agenda.drop(a)
		return
	}
	var next time.Time
	for x := range r.Reserved.All() {
		if reg.schedule.lease(n, x.Holder) == nil {
			reg.schedule.begin(n, x.Holder, time.Now().Add(reg.firstLease(x.Holder)))
		}
		end := minTime(reg.schedule.lease(n, x.Holder).ends, time.Now().Add(time.Duration(x.Left)))
		if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	reg.schedule.leases[n] = slices.DeleteFunc(reg.schedule.leases[n], func(l lease) bool { _, has := r.Reserved.Of(l.holder); return !has })
	reg.schedule.plan(a, next)
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// keepAgenda does what is due until the context ends.
func (reg *Registry) keepAgenda(ctx context.Context) error {
	defer reg.schedule.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-reg.schedule.changed:
		case <-reg.store.lost:
			reg.storeAll()
		}
		if wait, any := reg.doDue(); any {
			timer.Reset(wait)
		}
	}
}

// doDue does what is due and returns the time until the next alarm.
func (reg *Registry) doDue() (time.Duration, bool) {
	reg.schedule.mu.Lock()
	due := reg.schedule.agenda.due(time.Now())
	reg.schedule.mu.Unlock()
	for _, a := range due {
		switch a.what {
		case settleRound:
			reg.settle(a.n)
		case endReservation:
			reg.expire(a.n)
		case endState:
			reg.endState(a.n)
		case endDesktop:
			reg.endDesktop(a.n)
		case endInView, endCool:
			reg.table.Touch(map[dn.Number]struct{}{a.n: {}})
		}
	}
	reg.schedule.mu.Lock()
	defer reg.schedule.mu.Unlock()
	if len(reg.schedule.agenda.heap) == 0 {
		return 0, false
	}
	return time.Until(reg.schedule.agenda.heap[0].due), true
}

// storeAll brings everything in the store, and everything that this node
// keeps, to what the table says.
func (reg *Registry) storeAll() {
	for _, n := range reg.store.numbers() {
		reg.sync(n)
	}
	reg.table.Range("", func(s dn.Status) bool {
		if s.Keeper == reg.table.Self() {
			reg.sync(s.Number)
		}
		return true
	})
}
