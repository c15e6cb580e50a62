// Package scale compares what something costs with few things and with many: what a
// message or a query costs must not follow from how many DNs there are. Only tests call it.
package scale

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/race"
)

const (
	// bound is the greatest ratio.
	bound = 1.5
	// grain is what a measurement may differ by whatever is measured: a walk over the many
	// takes a multiple of that, also where there are the fewest. With the race detector
	// everything takes several times as long, and so does what other work takes away.
	grain, grainRace = 50 * time.Microsecond, 300 * time.Microsecond
	// tries is how often each is measured in a round. The fastest counts: other work on the
	// machine makes none faster.
	tries = 25
	// rounds are measured at most, until the many take no longer than they may: other work
	// takes the caches away, and a walk is fast in none.
	rounds = 8
)

// Sizes are how many things there are in a test.
func Sizes() (few, many int) {
	if race.Enabled || testing.Short() { // the race detector makes everything slow and large
		return 1_000, 30_000
	}
	return 10_000, 1_000_000
}

// Flat fails the test when something costs more of the processor with many things than with
// few. It must be done by the calling goroutine alone.
func Flat(t testing.TB, what string, withFew, withMany func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	compare(t, what, unix.CLOCK_THREAD_CPUTIME_ID, withFew, withMany)
}

// FlatTogether is Flat for what several goroutines do: all that the process does counts.
// The garbage of a measurement stays until it is over, as collecting it costs what there is.
func FlatTogether(t testing.TB, what string, withFew, withMany func()) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	compare(t, what, unix.CLOCK_PROCESS_CPUTIME_ID, withFew, withMany)
}

func compare(t testing.TB, what string, clock int32, withFew, withMany func()) {
	t.Helper()
	withFew() // what is made at the first time
	withMany()
	few, many := time.Hour, time.Hour
	for round := 0; round < rounds && (round == 0 || tooLong(few, many)); round++ {
		for range tries {
			few, many = min(few, taken(clock, withFew)), min(many, taken(clock, withMany))
		}
	}
	t.Logf("%s: %v with few, %v with many", what, few, many)
	if tooLong(few, many) {
		t.Errorf("%s takes %v with few and %v with many: want at most %v times as long", what, few, many, bound)
	}
}

func tooLong(few, many time.Duration) bool {
	may := grain
	if race.Enabled {
		may = grainRace
	}
	return many > time.Duration(bound*float64(few))+may
}

func taken(clock int32, do func()) time.Duration {
	began := used(clock)
	do()
	return used(clock) - began
}

// used is the time for which the thread or the process has had a processor: that others had
// it meanwhile says nothing of what is measured.
func used(clock int32) time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(clock, &at); err != nil {
		panic("scale: the clock of what was used can't be read: " + err.Error())
	}
	return time.Duration(at.Nano())
}
