// Package scale compares what something costs with few things and with many: what a
// message or a query costs must not follow from how many DNs there are. Only tests call it.
package scale

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/race"
)

const (
	// bound is the greatest ratio.
	bound = 1.5
	// grain is what a measurement may differ by whatever is measured: a walk over the many
	// takes a multiple of that, also where there are the fewest.
	grain = 50 * time.Microsecond
	// tries is how often each is measured. The fastest counts: other work on the machine
	// makes none faster.
	tries = 25
)

// Sizes are how many things there are in a test.
func Sizes() (few, many int) {
	if race.Enabled || testing.Short() { // the race detector makes everything slow and large
		return 1_000, 30_000
	}
	return 10_000, 1_000_000
}

// Flat fails the test when something costs more with many things than with few.
func Flat(t testing.TB, what string, withFew, withMany func()) {
	t.Helper()
	withFew() // what is made at the first time
	withMany()
	few, many := time.Hour, time.Hour
	for range tries {
		few, many = min(few, taken(withFew)), min(many, taken(withMany))
	}
	t.Logf("%s: %v with few, %v with many", what, few, many)
	if many > time.Duration(bound*float64(few))+grain {
		t.Errorf("%s takes %v with few and %v with many: want at most %v times as long", what, few, many, bound)
	}
}

func taken(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}
