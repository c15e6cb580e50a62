package pace

import (
	"context"
	"errors"
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
