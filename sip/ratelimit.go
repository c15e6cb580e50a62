package sip

import (
	"sync"
	"time"
)

// rateLimit limits what is new: it holds a second's worth, and is filled at the
// rate. What is under way does not ask it.
type rateLimit struct {
	rate float64
	now  func() time.Time

	mu   sync.Mutex
	left float64
	at   time.Time
}

// newRateLimit makes one that is full; a rate of 0 has no limit.
func newRateLimit(rate int, now func() time.Time) *rateLimit {
	return &rateLimit{rate: float64(rate), now: now, left: float64(rate), at: now()}
}

func (l *rateLimit) unlimited() bool { return l.rate == 0 }

// take uses one up; false when none is left.
func (l *rateLimit) take() bool { return l.unlimited() || l.use(1) }

// room tells whether take would be true, without using anything up.
func (l *rateLimit) room() bool { return l.unlimited() || l.use(0) }

func (l *rateLimit) use(n float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.left = min(l.rate, l.left+l.rate*now.Sub(l.at).Seconds())
	l.at = now
	if l.left < 1 {
		return false
	}
	l.left -= n
	return true
}
