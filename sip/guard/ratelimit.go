package guard

import (
	"sync"
	"time"
)

// RateLimit limits what is new: it holds a second's worth, and is filled at the
// rate. What is under way does not ask it.
type RateLimit struct {
	rate float64
	now  func() time.Time

	mu   sync.Mutex
	left float64
	at   time.Time
}

// NewRateLimit makes one that is full; a rate of 0 has no limit.
func NewRateLimit(rate int, now func() time.Time) *RateLimit {
	return &RateLimit{rate: float64(rate), now: now, left: float64(rate), at: now()}
}

// Unlimited tells whether there is no limit.
func (l *RateLimit) Unlimited() bool { return l.rate == 0 }

// Take uses one up; false when none is left.
func (l *RateLimit) Take() bool { return l.Unlimited() || l.use(1) }

// Room tells whether take would be true, without using anything up.
func (l *RateLimit) Room() bool { return l.Unlimited() || l.use(0) }

func (l *RateLimit) use(n float64) bool {
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
