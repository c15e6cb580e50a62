// Package pace spaces out work that many small events call for: while they are
// rare each is served at once, and while they are many what has gathered in the
// meantime is served together. A wake-up of its own for each event costs more
// than the event.
package pace

import (
	"context"
	"time"
)

// Pace lets its one user through at most once an interval. The zero value does
// not hold anybody up.
type Pace struct {
	interval time.Duration
	last     time.Time
	timer    *time.Timer
}

// New makes a Pace of that interval.
func New(interval time.Duration) *Pace { return &Pace{interval: interval} }

// Wait returns when the interval has passed since it returned last: at once
// after a quiet time. It returns the context's error when that ends before.
func (p *Pace) Wait(ctx context.Context) error {
	left := p.interval - time.Since(p.last)
	if left > 0 {
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
