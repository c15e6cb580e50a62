package guard

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Rate limits what is new: it holds a second's worth, and is filled at the rate.
// What is under way does not ask it. It is asked by who has proved who it is, so that
// nobody else can use it up.
//
// No source can use it up alone: the last quarter is for those that took less than a
// quarter of a second's worth in this second.
type Rate struct {
	rate atomic.Int64 // a second
	now  func() time.Time

	mu    sync.Mutex
	left  float64
	at    time.Time
	taken map[netip.Addr]float64 // by source, since begun
	begun time.Time
}

// maxTakers are the sources whose share of a second is counted; others count as if
// they had taken nothing.
const maxTakers = 65536

// NewRate makes one that is full; a rate of 0 has no limit.
func NewRate(rate int, now func() time.Time) *Rate {
	r := &Rate{now: now, left: float64(rate), at: now(), taken: map[netip.Addr]float64{}}
	r.rate.Store(int64(rate))
	return r
}

// Set changes the rate.
func (r *Rate) Set(rate int) { r.rate.Store(int64(rate)) }

// Unlimited tells whether there is no limit.
func (r *Rate) Unlimited() bool { return r.rate.Load() == 0 }

// Take uses one up; false when none is left for the source.
func (r *Rate) Take(source netip.Addr) bool {
	rate := float64(r.rate.Load())
	if rate == 0 {
		return true
	}
	share := math.Floor(rate / 4)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.left = min(rate, r.left+rate*now.Sub(r.at).Seconds())
	r.at = now
	if now.Sub(r.begun) >= time.Second {
		clear(r.taken)
		r.begun = now
	}
	if r.left < 1 || r.left-1 < share && r.taken[source] >= share {
		return false
	}
	r.left--
	if _, known := r.taken[source]; known || len(r.taken) < maxTakers {
		r.taken[source]++
	}
	return true
}
