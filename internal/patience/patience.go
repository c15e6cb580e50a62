// Package patience is how long tests wait: each wait has a bound, and says what
// it waited for. Only tests call it.
package patience

import (
	"fmt"
	"testing"
	"time"
)

// Limit is how long a test waits for what takes no time. It is far more than
// a machine that does other work needs.
const Limit = 45 * time.Second

// Until waits until ok says so, which it asks in the test's goroutine.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !Within(Limit, ok) {
		t.Fatalf("waited %v in vain: %s", Limit, what)
	}
}

// Within tells whether ok says so before the time is over.
func Within(limit time.Duration, ok func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			return ok()
		case <-tick.C:
		}
	}
	return true
}

// Receive waits for what a channel brings next, or its end.
func Receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case x := <-from:
		return x
	case <-limit.C:
		t.Fatalf("waited %v in vain: %s", Limit, what)
		panic("unreachable")
	}
}

// Send waits until a channel takes x.
func Send[T any](t testing.TB, what string, to chan<- T, x T) {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case to <- x:
	case <-limit.C:
		t.Fatalf("waited %v in vain: %s", Limit, what)
	}
}

// Done waits for the end of f, which waits itself: of a sync.WaitGroup, or of
// what is being closed. It may be called in a clean-up.
func Done(t testing.TB, what string, f func()) {
	t.Helper()
	if !ends(Limit, f) {
		t.Errorf("waited %v in vain: %s", Limit, what)
	}
}

// Ended is Done where no test is at hand, and where time may be that of a
// bubble, in which calls last as long as they do: it has eight minutes, and panics.
func Ended(what string, f func()) {
	if long := 8 * time.Minute; !ends(long, f) {
		panic(fmt.Sprintf("waited %v in vain: %s", long, what))
	}
}

func ends(within time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		return false
	}
}
