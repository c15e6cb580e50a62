package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// lookAgain is how often the first call of a queue looks for agents by
	// itself: those that it had tried in vain may be tried again.
	lookAgain = 5 * time.Second
)

// waiter is a call that waits for an agent. The first of a group's queue is
// woken when one may have become free.
type waiter struct{ wake chan struct{} }

// wake wakes the first call that waits for the group. The caller holds mu.
func (r *Routing) wake(group string) {
	if q := r.queues[group]; len(q) > 0 {
		select {
		case q[0].wake <- struct{}{}:
		default: // it has been woken already
		}
	}
}

// enqueue puts a call at the end of the group's queue; false when that is full.
func (r *Routing) enqueue(group string) (*waiter, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queues[group]) >= r.places {
		return nil, false
	}
	w := &waiter{wake: make(chan struct{}, 1)}
	r.queues[group] = append(r.queues[group], w)
	r.wake(group)
	return w, true
}

// dequeue takes a call out; the next one looks for itself.
func (r *Routing) dequeue(group string, w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := slices.DeleteFunc(r.queues[group], func(x *waiter) bool { return x == w })
	if len(q) == 0 {
		delete(r.queues, group)
		return
	}
	r.queues[group] = q
	r.wake(group)
}

// errStopped says that an agent is not waited for any more.
var errStopped = errors.New("a router has decided")

// agent waits in the group's queue for an agent who can take the call, and
// reserves the DN. It returns the context's error, errFull, or errStopped once
// stop is closed; nil never is.
func (r *Routing) agent(ctx context.Context, stop <-chan struct{}, group, holder string, skip func(dn.Number) bool) (n dn.Number, giveBack func(), err error) {
	w, ok := r.enqueue(group)
	if !ok {
		return "", nil, errFull
	}
	defer r.dequeue(group, w)
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-stop:
			return "", nil, errStopped
		case <-w.wake:
		case <-again.C:
			if !r.first(group, w) {
				continue
			}
		}
		if n, giveBack, ok := r.seize(ctx, group, holder, skip); ok {
			return n, giveBack, nil
		}
	}
}

// first tells whether it is the call's turn.
func (r *Routing) first(group string, w *waiter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queues[group][0] == w
}

// seize reserves the best agent that nobody else is faster to get.
func (r *Routing) seize(ctx context.Context, group, holder string, skip func(dn.Number) bool) (dn.Number, func(), bool) {
	passed := map[dn.Number]bool{}
	for {
		n, found := r.longestIdle(group, func(n dn.Number) bool { return passed[n] || skip(n) })
		if !found {
			return "", nil, false
		}
		if giveBack, err := r.reserve(ctx, n, holder, ""); err == nil {
			return n, giveBack, true
		}
		passed[n] = true
	}
}
