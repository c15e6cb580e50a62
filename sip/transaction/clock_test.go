package transaction

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// bell notes when its alarm came up.
type bell struct {
	alarm Alarm
	rang  []time.Duration
	start time.Time
}

func (b *bell) Fire(uint8) { b.rang = append(b.rang, time.Since(b.start)) }

func newBell(l *Layer) *bell {
	b := &bell{start: time.Now()}
	b.alarm = Alarm{Layer: l, Handler: b}
	return b
}

func TestClock_AlarmsComeUpOnceAtTheirTimeOrATickLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLayers(1, Timers{}, func(x any) { panic(x) })[0]
		l.Lock()
		bells, want := map[*bell]time.Duration{}, map[*bell]time.Duration{}
		for range 2000 {
			b, d := newBell(l), rand.N(5*time.Minute)
			b.alarm.Set(d)
			want[b] = d
			switch rand.N(4) {
			case 0:
				b.alarm.Stop()
				delete(want, b)
			case 1:
				want[b] = rand.N(time.Minute)
				b.alarm.Set(want[b])
			}
			bells[b] = d
		}
		wait(l, 6*time.Minute)
		defer l.Unlock()
		for b := range bells {
			d, due := want[b]
			if !due && len(b.rang) > 0 || due && (len(b.rang) != 1 || b.rang[0] < d || b.rang[0] > d+l.t.T1/10) {
				t.Fatalf("set to %v (%v): rang at %v", d, due, b.rang)
			}
		}
	})
}

// rival stops the other's alarm when its own comes up.
type rival struct {
	bell
	other *rival
}

func (r *rival) Fire(what uint8) {
	r.bell.Fire(what)
	r.other.alarm.Stop()
}

func TestClock_AnAlarmThatIsStoppedWhenItIsDueDoesNotComeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLayers(1, Timers{}, func(x any) { panic(x) })[0]
		l.Lock()
		a, b := &rival{}, &rival{}
		a.other, b.other = b, a
		for range 3 {
			for _, r := range []*rival{a, b} {
				r.rang, r.alarm.Layer, r.alarm.Handler = nil, l, r
				r.alarm.Set(time.Second)
			}
			wait(l, 2*time.Second)
			if len(a.rang)+len(b.rang) != 1 {
				t.Errorf("%d came up", len(a.rang)+len(b.rang))
			}
		}
		l.Unlock()
	})
}

// bomb panics when its alarm comes up.
type bomb struct{ alarm Alarm }

func (*bomb) Fire(uint8) { panic("x") }

func TestClock_APanicCostsOnlyItsAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []any
		l := NewLayers(1, Timers{}, func(x any) { got = append(got, x) })[0]
		l.Lock()
		b, other := &bomb{}, newBell(l)
		b.alarm = Alarm{Layer: l, Handler: b}
		b.alarm.Set(time.Second)
		other.alarm.Set(2 * time.Second)
		wait(l, 3*time.Second)
		if len(got) != 1 || len(other.rang) != 1 {
			t.Error(got, other.rang)
		}
		l.Unlock()
	})
}

// TestClock_AnAlarmThatIsUpMayStillBeStopped, or set anew, by who holds the lock
// that it waits for.
func TestClock_AnAlarmThatIsUpMayStillBeStopped(t *testing.T) {
	for name, change := range map[string]func(*Alarm){"stop": (*Alarm).Stop, "set": func(a *Alarm) { a.Set(time.Hour) }} {
		l := NewLayers(1, Timers{T1: 10 * time.Millisecond}, func(x any) { panic(x) })[0]
		within := time.Now().Add(patience.Limit)
		await := func(what string, true func() bool) {
			for !true() {
				if runtime.Gosched(); time.Now().After(within) {
					t.Fatalf("%s: never: %s", name, what)
				}
			}
		}
		l.Lock()
		b := newBell(l)
		b.alarm.Set(time.Millisecond)
		await("the clock takes it out", func() bool {
			l.clock.mu.Lock()
			defer l.clock.mu.Unlock()
			return !b.alarm.linked
		})
		change(&b.alarm)
		next := newBell(l)
		next.alarm.Set(time.Millisecond)
		l.Unlock()
		await("the next alarm", func() bool {
			l.Lock()
			defer l.Unlock()
			return len(next.rang) > 0
		})
		l.Lock()
		if len(b.rang) > 0 {
			t.Errorf("%s: it came up", name)
		}
		l.Close()
		l.Unlock()
	}
}
