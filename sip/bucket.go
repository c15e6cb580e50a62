package sip

import (
	"sync"
	"time"
)

// bucket limits what is new: it holds a second's worth, and is filled at the
// rate. What is under way does not ask it.
type bucket struct {
	rate float64
	now  func() time.Time

	mu   sync.Mutex
	left float64
	at   time.Time
}

// newBucket makes one that is full; a rate of 0 has no limit.
func newBucket(rate int, now func() time.Time) *bucket {
	return &bucket{rate: float64(rate), now: now, left: float64(rate), at: now()}
}

func (b *bucket) unlimited() bool { return b.rate == 0 }

// take uses one up; false when none is left.
func (b *bucket) take() bool { return b.unlimited() || b.use(1) }

// room tells whether take would be true, without using anything up.
func (b *bucket) room() bool { return b.unlimited() || b.use(0) }

func (b *bucket) use(n float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.left = min(b.rate, b.left+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left -= n
	return true
}
