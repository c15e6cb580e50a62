package beat

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTicker_FallsOnCommonMoments, however late each tick is taken.
func TestTicker_FallsOnCommonMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(123 * time.Millisecond)
		a, b := New(250*time.Millisecond), New(time.Second)
		defer a.Stop()
		defer b.Stop()
		began, ticks := time.Now(), map[*Ticker]int{}
		for time.Since(began) < 10*time.Second {
			var k *Ticker
			select {
			case <-a.C:
				k = a
			case <-b.C:
				k = b
			}
			if off := time.Duration(time.Now().UnixNano()) % (250 * time.Millisecond); off > 0 {
				t.Fatalf("a tick %v behind a common moment", off)
			}
			ticks[k]++
			k.Again()
		}
		if ticks[a] != 41 || ticks[b] != 10 {
			t.Errorf("%d and %d ticks in 10 s", ticks[a], ticks[b])
		}
		a.Stop()
		select {
		case <-a.C:
			t.Error("a tick behind the end")
		case <-time.After(time.Second):
		}
	})
}

// TestNext_NeverAtOnce: a timer that is early by the wall clock makes no second tick.
func TestNext_NeverAtOnce(t *testing.T) {
	const d = 100 * time.Millisecond
	base := time.Unix(1_000_000, 0)
	for off, want := range map[time.Duration]time.Duration{
		0: d, time.Microsecond: d - time.Microsecond, d - 1: d + 1, 70 * time.Millisecond: 30 * time.Millisecond, 80 * time.Millisecond: 120 * time.Millisecond,
	} {
		if got := next(base.Add(off), d); got != want {
			t.Errorf("%v behind a moment: %v, want %v", off, got, want)
		}
	}
}

// TestNear_IsACommonMoment, the one that is nearest: who waits again and again for the same
// time falls behind by nothing.
func TestNear_IsACommonMoment(t *testing.T) {
	base := time.Unix(1_000_000, 0)
	for _, x := range []struct{ now, d, want time.Duration }{
		{0, 300 * time.Millisecond, 300 * time.Millisecond}, {2 * time.Millisecond, 300 * time.Millisecond, 298 * time.Millisecond},
		{60 * time.Millisecond, 300 * time.Millisecond, 340 * time.Millisecond}, {-time.Millisecond, time.Second, time.Second + time.Millisecond},
		{7 * time.Millisecond, 30 * time.Millisecond, 30 * time.Millisecond}, {30 * time.Millisecond, 100 * time.Millisecond, 70 * time.Millisecond},
	} {
		if got := near(base.Add(x.now), x.d); got != x.want {
			t.Errorf("%v behind a moment, %v: %v, want %v", x.now, x.d, got, x.want)
		}
	}
}
