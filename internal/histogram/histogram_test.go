package histogram

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// A time counts up to the first bound that is not less, and all of them in Count and Sum.
func TestHistogram_CountsExactly(t *testing.T) {
	h := New(time.Second, 2*time.Second, 5*time.Second)
	for _, d := range []time.Duration{-time.Hour, 0, time.Second, time.Second + 1, 5 * time.Second, 6 * time.Second} {
		h.Observe(d)
	}
	h.ObserveN(1500*time.Millisecond, 4)
	r := h.Read()
	if !slices.Equal(r.Bounds, []float64{1, 2, 5}) || !slices.Equal(r.UpTo, []uint64{3, 8, 9}) || r.Count != 10 {
		t.Errorf("%+v", r)
	}
	if want := (1 + 1 + 1e-9 + 5 + 6) + 4*1.5; r.Sum < want-1e-6 || r.Sum > want+1e-6 {
		t.Errorf("sum %v, want %v", r.Sum, want)
	}
}

// What has no bounds of its own has those of latencies.
func TestHistogram_ZeroValue(t *testing.T) {
	var h Histogram
	h.Observe(time.Millisecond)
	h.Observe(time.Minute)
	r := h.Read()
	if len(r.Bounds) != len(r.UpTo) || r.Bounds[0] != 0.0001 || r.Bounds[len(r.Bounds)-1] != 5 || r.Count != 2 || r.UpTo[len(r.UpTo)-1] != 1 {
		t.Errorf("%+v", r)
	}
	if !slices.IsSorted(r.Bounds) {
		t.Errorf("bounds do not ascend: %v", r.Bounds)
	}
}

func TestHistogram_ManyAtOnce(t *testing.T) {
	const workers, each = 8, 1000
	var v Vec[int]
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			for i := range each {
				v.At(w % 2).Observe(time.Duration(i) * time.Millisecond)
				v.At(w % 2).Read()
			}
		})
	}
	done.Wait()
	for key, want := range []uint64{workers / 2 * each, workers / 2 * each, 0} {
		if got := v.At(key).Read().Count; got != want {
			t.Errorf("%d: %d, want %d", key, got, want)
		}
	}
}

func TestHistogram_AllocatesNothing(t *testing.T) {
	var h Histogram
	var v Vec[string]
	v.At("a").Observe(0)
	h.Observe(0)
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond); v.At("a").Observe(time.Millisecond) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	for b.Loop() {
		h.Observe(700 * time.Microsecond)
	}
}
