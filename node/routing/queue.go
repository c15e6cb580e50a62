package routing

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// lookAgain is how often a call looks whether it is to wait for the group still, and
	// the first of a queue for agents: those that it had tried in vain may be tried again.
	lookAgain = 5 * time.Second
	// refusedAgain is after how long a call looks again that was refused an agent who is
	// free here: the DN's node may not have heard yet of the end of a call at this one. It
	// is doubled from look to look, up to maxRefusedAgain.
	refusedAgain, maxRefusedAgain = 20 * time.Millisecond, 640 * time.Millisecond
	// firstLooks are repeated as soon: the table hears a moment later that a call is over, or
	// that a DN has come to the group.
	firstLooks = 4
)

// waiter is a call that waits for an agent. The first of a group's queue is
// woken when one may have become free; it wakes the next one when it can't have
// an agent who is free.
type waiter struct {
	wake wake.Signal
	// since is when the call came to its routing point, ns since the epoch.
	since int64
}

// retry wakes a queue after looks that were refused.
type retry struct {
	timer *time.Timer
	pause time.Duration
}

func (q *queues) retry(group string) *retry {
	t := time.AfterFunc(lookAgain, func() { q.wake(group) })
	t.Stop()
	return &retry{timer: t, pause: refusedAgain}
}

// after a look: it is repeated soon, or the next one is as soon.
func (r *retry) after(again bool) {
	if !again {
		r.pause = refusedAgain
		return
	}
	r.timer.Reset(r.pause)
	r.pause = min(2*r.pause, maxRefusedAgain)
}

// queues are the calls that wait for an agent of a group, by its name.
type queues struct {
	places int // in each

	mu sync.Mutex
	of map[string][]*waiter
}

func newQueues(places int) *queues { return &queues{places: places, of: map[string][]*waiter{}} }

// empty tells whether no call waits. One that begins to wait looks for an agent by itself.
func (q *queues) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.of) == 0
}

// wake wakes the first call that waits for each of the groups.
func (q *queues) wake(groups ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, g := range groups {
		wakeFirst(q.of[g])
	}
}

func wakeFirst(queue []*waiter) {
	if len(queue) > 0 {
		queue[0].wake.Send()
	}
}

// enqueue puts a call into the group's queue, behind those that came before it to a
// routing point: one that comes back from an agent in vain keeps its turn. False when
// the queue is full.
func (q *queues) enqueue(group string, since int64) (*waiter, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.of[group]) >= q.places {
		return nil, false
	}
	w := &waiter{wake: wake.New(), since: since}
	i := sort.Search(len(q.of[group]), func(i int) bool { return q.of[group][i].since > since })
	q.of[group] = slices.Insert(q.of[group], i, w)
	wakeFirst(q.of[group])
	return w, true
}

// dequeue takes a call out; the next one looks for itself.
func (q *queues) dequeue(group string, w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := slices.DeleteFunc(q.of[group], func(x *waiter) bool { return x == w })
	if len(rest) == 0 {
		delete(q.of, group)
		return
	}
	q.of[group] = rest
	wakeFirst(rest)
}

// first tells whether it is the call's turn.
func (q *queues) first(group string, w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.of[group][0] == w
}

// at is the call's place in the queue, counted from 1.
func (q *queues) at(group string, w *waiter) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return 1 + slices.Index(q.of[group], w)
}

// passOn wakes the call behind one that has looked.
func (q *queues) passOn(group string, w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.of[group], w); i >= 0 {
		wakeFirst(q.of[group][i+1:])
	}
}

// errStopped says that an agent is not waited for any more.
var errStopped = errors.New("an agent is not waited for any more")

// agent waits in the group's queue for an agent who can take the call, and
// reserves the DN. It returns the context's error, errFull, or errStopped once
// stop is closed, nil never is, or it still waits there no more.
func (j *journey) agent(ctx context.Context, stop <-chan struct{}, group string, still func() bool) (n dn.Number, giveBack func(), err error) {
	r := j.r
	w, ok := r.queues.enqueue(group, j.since)
	if !ok {
		return "", nil, errFull
	}
	defer r.queues.dequeue(group, w)
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	soon := r.queues.retry(group)
	defer soon.timer.Stop()
	said := 0
	for looks := 0; ; looks++ {
		said = j.tellPlace(group, w, looks > 0, said)
		select {
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-stop:
			return "", nil, errStopped
		case <-w.wake:
		case <-again.C:
			if !still() {
				return "", nil, errStopped
			}
			if !r.queues.first(group, w) {
				continue
			}
		}
		spared := false
		n, giveBack, refused := r.seize(ctx, group, j.holder(), j.media(), func(n dn.Number) bool {
			skip := j.skip(n)
			spared = spared || skip
			return skip
		})
		if giveBack != nil {
			return n, giveBack, nil
		}
		soon.after(refused || looks < firstLooks)
		if spared { // whom this call can't have the one behind it may
			r.queues.passOn(group, w)
		}
	}
}

// seize reserves the best agent that nobody else is faster to get, for a call with such
// media; giveBack is nil when
// there is none, and refused tells whether there seemed to be one.
func (r *Engine) seize(ctx context.Context, group, holder string, media dn.Media, skip func(dn.Number) bool) (n dn.Number, giveBack func(), refused bool) {
	passed := map[dn.Number]bool{}
	for {
		n, found := r.longestIdle(group, media, func(n dn.Number) bool { return passed[n] || skip(n) })
		if !found {
			return "", nil, len(passed) > 0
		}
		if giveBack, err := r.reserve(ctx, n, holder, ""); err == nil {
			return n, giveBack, false
		}
		passed[n] = true
	}
}
