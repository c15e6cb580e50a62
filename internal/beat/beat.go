// Package beat has what a process does again and again fall on common moments. A process that
// is idle sleeps between two things to do; what is due at the same moment costs one waking
// instead of one for each.
package beat

import "time"

// Ticker ticks at the multiples of its period on the wall clock. Each tick that is taken has
// to be followed by Again.
type Ticker struct {
	// C has the time of a tick.
	C     <-chan time.Time
	timer *time.Timer
	every time.Duration
}

// New makes one whose first tick comes within its period, which must be positive.
func New(every time.Duration) *Ticker {
	t := time.NewTimer(next(time.Now(), every))
	return &Ticker{C: t.C, timer: t, every: every}
}

// Again has it tick once more. So ticks that nobody takes don't pile up, and a step of the
// wall clock moves one tick only.
func (t *Ticker) Again() { t.timer.Reset(next(time.Now(), t.every)) }

// Stop ends it; C gets nothing more.
func (t *Ticker) Stop() { t.timer.Stop() }

// next is how long it is until a tick is due, at least a quarter of the period: a timer may
// be a little early by the wall clock.
func next(now time.Time, every time.Duration) time.Duration {
	d := every - time.Duration(now.UnixNano())%every
	if d < every/4 {
		d += every
	}
	return d
}

// grid has the moments of Near.
const grid = 100 * time.Millisecond

// Near is how long it is until the common moment that is nearest to d from now; d itself where
// that is less than there are between two of them.
func Near(d time.Duration) time.Duration { return near(time.Now(), d) }

func near(now time.Time, d time.Duration) time.Duration {
	if d < grid {
		return d
	}
	at := now.UnixNano() + int64(d) + int64(grid)/2
	return time.Duration(at - at%int64(grid) - now.UnixNano())
}
