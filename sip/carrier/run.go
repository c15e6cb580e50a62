package carrier

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// lookUpTime is how long all questions about a name may take together.
	lookUpTime = 10 * time.Second
	// lookAgain is when a name is looked up again that was not found.
	lookAgain = 30 * time.Second
	// datagramsFor is how long nobody tries to send by TCP what is long, where that failed.
	datagramsFor = 10 * time.Minute
	// maxLookUps are on their way at a time.
	maxLookUps = 8
)

var (
	errPending = errors.New("it is being looked up")
	errOwn     = errors.New("is an address of this cluster's own nodes")
)

// question is an OPTIONS to be sent, where this node has a way to send it; with those that
// are not asked it is whether there is one.
type question struct {
	trunk dn.Number
	way   Way
}

// Run looks names up and asks ways until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	room := make(chan struct{}, maxLookUps)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.wake:
		case <-timer.C:
		}
		questions, lookUps, next := b.due(time.Now(), cap(room)-len(room))
		for _, q := range questions {
			if b.looked(q, b.cfg.Cannot(q.way)) {
				b.cfg.Ask(q.way, func(err error) { b.answered(q, err) })
			}
		}
		for _, t := range lookUps {
			room <- struct{}{}
			all.Go(func() {
				defer func() { <-room; b.wake.Send() }()
				b.lookUp(ctx, t)
			})
		}
		if !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
	}
}

// due is what has to be done now, and when the next thing has.
func (b *Book) due(now time.Time, room int) (questions []question, lookUps []*target, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	soon := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, e := range b.trunks {
		every, turned := b.every(e), false
		for w, h := range e.health {
			ask, up := h.pass(now, every)
			if turned = turned || up; ask {
				b.asking++
				questions = append(questions, question{e.number, w})
			}
			soon(h.next(every))
		}
		if turned {
			b.tell(e)
		}
		for _, t := range e.targets {
			switch {
			case t.looking || t.again.IsZero():
			case !now.Before(t.again) && len(lookUps) < room:
				t.looking = true
				lookUps = append(lookUps, t)
			case now.Before(t.again): // otherwise the end of another look-up wakes us
				soon(t.again)
			}
		}
	}
	return questions, lookUps, next
}

// looked takes why this node has no way to where a question goes, nil for none; it tells
// whether the question is to be asked.
func (b *Book) looked(q question, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.trunks[q.trunk]
	if e == nil || e.health[q.way] == nil {
		b.asking--
		return false
	}
	h := e.health[q.way]
	was := h.unable
	h.looked, h.unable = true, err != nil
	switch {
	case err != nil:
		b.turn(e, q.way, func(h *health, now time.Time) bool { return h.missed(now, err) || !was })
	case b.every(e) > 0:
		return true
	case was:
		b.turn(e, q.way, (*health).heard)
	}
	b.asking--
	h.asking = false
	b.wake.Send()
	return false
}

// answered takes what became of a question.
func (b *Book) answered(q question, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asking--
	e := b.trunks[q.trunk]
	if e == nil || e.health[q.way] == nil {
		return
	}
	e.health[q.way].asking = false
	what := (*health).heard
	if err != nil {
		what = func(h *health, now time.Time) bool { return h.missed(now, err) }
	}
	b.turn(e, q.way, what)
	b.wake.Send()
}

// lookUp finds the places of a target; one that is not found keeps those that it had.
func (b *Book) lookUp(ctx context.Context, t *target) {
	bounded, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	f, err := resolve(bounded, &b.names, t.Target, t.known)
	if ctx.Err() != nil {
		return
	}
	if b.found(t, f, err) {
		b.cfg.Moved()
	}
}

// found takes the end of a look-up, and tells whether there are other places now.
func (b *Book) found(t *target, f finding, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	t.looking, t.err = false, err
	if failed := cmp.Or(err, f.late); failed != nil {
		b.cfg.Log.Warn("the name of a trunk is not found; what was known of it is used", "name", t.Address, "err", failed)
	}
	switch {
	case err == nil:
		t.leave(now)
		t.again, t.places, t.known, t.vain = now.Add(f.ttl), f.places, f.known, 0
	case errors.Is(err, ErrNoService): // the domain's own word
		t.leave(now)
		t.again, t.places, t.known = now.Add(lookAgain), nil, nil
	default:
		t.again = now.Add(lookAgain)
		t.vain++
	}
	if errors.Is(err, ErrNoService) || errors.Is(err, ErrNoAddress) {
		t.vain = mostSought
	}
	for _, e := range b.trunks {
		for _, x := range e.targets {
			if x == t {
				b.settle(e, now)
			}
		}
	}
	return err == nil || len(t.places) == 0
}
