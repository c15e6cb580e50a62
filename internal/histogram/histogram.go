// Package histogram counts how long things take, by fixed bounds, for the metrics: a few
// atomic additions each time, nothing allocated, and any goroutine may read while others
// count. It knows nothing of Prometheus, whose form package api gives to it.
package histogram

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxBounds of a Histogram.
const maxBounds = 20

// latency are the bounds of a Histogram that has none of its own: from what one machine does
// by itself to what a line across the world and a slow disk add.
func latency() []time.Duration {
	const us, ms = time.Microsecond, time.Millisecond
	return []time.Duration{100 * us, 250 * us, 500 * us, ms, 2500 * us, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms, time.Second, 2500 * ms, 5 * time.Second}
}

// Histogram counts times up to bounds. The zero value has bounds from 0.1 ms to 5 s. It must
// not be copied.
type Histogram struct {
	once   sync.Once
	bounds []time.Duration
	// counts of the times up to each bound and above the one before; then of those above all.
	counts [maxBounds + 1]atomic.Uint64
	sum    atomic.Int64 // ns
}

// New makes a histogram with bounds, which ascend; it panics at more than 20.
func New(bounds ...time.Duration) *Histogram {
	if len(bounds) > maxBounds {
		panic("histogram: too many bounds")
	}
	h := &Histogram{bounds: bounds}
	h.once.Do(func() {})
	return h
}

func (h *Histogram) limits() []time.Duration {
	h.once.Do(func() { h.bounds = latency() })
	return h.bounds
}

// Observe counts one time; a negative one, by clocks that differ, as none at all.
func (h *Histogram) Observe(d time.Duration) { h.ObserveN(d, 1) }

// ObserveN counts the same time n times.
func (h *Histogram) ObserveN(d time.Duration, n uint64) {
	d = max(d, 0)
	i, limits := 0, h.limits()
	for i < len(limits) && d > limits[i] {
		i++
	}
	h.sum.Add(int64(d) * int64(n))
	h.counts[i].Add(n)
}

// Reading is what was counted up to a moment.
type Reading struct {
	// Bounds in seconds, and of each how many times were not longer.
	Bounds []float64
	UpTo   []uint64
	// Count of all times, and their Sum in seconds.
	Count uint64
	Sum   float64
}

// Read returns what was counted. While others count, Sum may be of a few more or less.
func (h *Histogram) Read() (r Reading) {
	limits := h.limits()
	r.Bounds, r.UpTo = make([]float64, len(limits)), make([]uint64, len(limits))
	for i, l := range limits {
		r.Count += h.counts[i].Load()
		r.Bounds[i], r.UpTo[i] = l.Seconds(), r.Count
	}
	r.Count += h.counts[len(limits)].Load()
	r.Sum = time.Duration(h.sum.Load()).Seconds()
	return r
}

// Vec are histograms by a key, each made when it is asked for. The zero value is empty. It
// must not be copied; any goroutine may use it.
type Vec[K comparable] struct{ of sync.Map }

// At is the histogram of a key.
func (v *Vec[K]) At(key K) *Histogram {
	if h, ok := v.of.Load(key); ok {
		return h.(*Histogram)
	}
	h, _ := v.of.LoadOrStore(key, &Histogram{})
	return h.(*Histogram)
}
