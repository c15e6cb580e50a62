package scale

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// judged is a test that notes that it failed.
type judged struct {
	testing.TB
	failed bool
}

func (j *judged) Helper()               {}
func (j *judged) Logf(string, ...any)   {}
func (j *judged) Errorf(string, ...any) { j.failed = true }

func TestFlat_TellsAWalkFromALook(t *testing.T) {
	for name, c := range map[string]struct {
		few, many time.Duration
		failed    bool
	}{
		"the same": {0, 0, false}, "a walk": {0, time.Millisecond, true}, "a long one": {time.Millisecond, 5 * time.Millisecond, true},
	} {
		for kind, compare := range map[string]func(j testing.TB){
			"of a goroutine": func(j testing.TB) { Flat(j, name, spin(c.few), spin(c.many)) },
			"of the process": func(j testing.TB) { FlatTogether(j, name, elsewhere(c.few), elsewhere(c.many)) },
		} {
			j := &judged{TB: t}
			if compare(j); j.failed != c.failed {
				t.Errorf("%s %s: failed is %v", name, kind, j.failed)
			}
		}
	}
}

func spin(d time.Duration) func() {
	return func() {
		const own = unix.CLOCK_THREAD_CPUTIME_ID
		for began := used(own); used(own)-began < d; {
			continue
		}
	}
}

// elsewhere has another goroutine spin.
func elsewhere(d time.Duration) func() {
	return func() {
		var done sync.WaitGroup
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			spin(d)()
		})
		done.Wait()
	}
}
