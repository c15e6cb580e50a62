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
