// Package pace spaces out work that many small events call for: while they are
// rare each is served at once, and while they are many what has gathered in the
// meantime is served together. A wake-up of its own for each event costs more
// than the event.
package pace

import (
	"context"
	"time"
)

// Pace lets its one user through at most once an interval, at its multiples on the wall
// clock: so all that a process gathers is due at the same moment, which costs one waking
// instead of one for each. The zero value does not hold anybody up.
type Pace struct {
	interval time.Duration
	last     time.Time
	timer    *time.Timer
}

// New makes a Pace of that interval.
func New(interval time.Duration) *Pace { return &Pace{interval: interval} }

// Wait returns at the next multiple of the interval: at once after a quiet time, when most
// of the interval has passed since it returned last. It returns the context's error when
// that ends before.
func (p *Pace) Wait(ctx context.Context) error {
	if now := time.Now(); now.Sub(p.last) < p.interval*3/4 {
		left := p.interval - time.Duration(now.UnixNano())%p.interval
		if p.timer == nil {
			p.timer = time.NewTimer(left)
		} else {
			p.timer.Reset(left)
		}
		select {
		case <-p.timer.C:
		case <-ctx.Done():
			p.timer.Stop()
			return ctx.Err()
		}
	}
	p.last = time.Now()
	return nil
}
