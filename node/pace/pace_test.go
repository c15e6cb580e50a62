package pace

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace_TheFirstAtOnceTheNextAfterTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(5 * time.Millisecond)
		start := time.Now()
		for i, want := range []time.Duration{0, 5, 10, 15} {
			if err := p.Wait(t.Context()); err != nil || time.Since(start) != want*time.Millisecond {
				t.Fatalf("%d: after %v, %v", i, time.Since(start), err)
			}
		}
		<-time.After(7 * time.Millisecond) // of the bubble
		if err := p.Wait(t.Context()); err != nil || time.Since(start) != 22*time.Millisecond {
			t.Fatalf("after a quiet time: %v, %v", time.Since(start), err)
		}
	})
}

func TestPace_EndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		_ = p.Wait(ctx)
		cancel()
		start := time.Now()
		if err := p.Wait(ctx); !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestPace_TheZeroValueHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		start := time.Now()
		for range 3 {
			if err := p.Wait(t.Context()); err != nil || time.Since(start) != 0 {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
	})
}

// Who gave up has not been let through: the interval counts from who was.
func TestPace_WhoGaveUpDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(10 * time.Millisecond)
		start := time.Now()
		_ = p.Wait(t.Context())
		for _, at := range []time.Duration{4, 7} {
			ctx, cancel := context.WithDeadline(t.Context(), start.Add(at*time.Millisecond))
			if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != at*time.Millisecond {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			cancel()
		}
		for _, at := range []time.Duration{10, 20} {
			if err := p.Wait(t.Context()); err != nil || time.Since(start) != at*time.Millisecond {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
		}
	})
}

// What several gather is due at the same moment, whenever each of them began.
func TestPace_ThoseOfAnIntervalFallTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 20 * time.Millisecond
		a, b := New(interval), New(interval)
		start := time.Now() // at a multiple, as in all bubbles
		_ = a.Wait(t.Context())
		<-time.After(13 * time.Millisecond)
		_ = b.Wait(t.Context())
		if off := time.Since(start); off != 13*time.Millisecond {
			t.Fatalf("after a quiet time: %v", off)
		}
		var both sync.WaitGroup
		for _, p := range []*Pace{a, b} {
			both.Go(func() {
				for i := 1; i <= 5; i++ {
					if err := p.Wait(t.Context()); err != nil || time.Since(start) != time.Duration(i)*interval {
						t.Errorf("%d: after %v, %v", i, time.Since(start), err)
					}
				}
			})
		}
		both.Wait()
	})
}
