package nowait

import (
	"runtime"
	"time"
)

// yieldEvery is shorter than the 10 ms that Go's scheduler looks back. A yield wakes
// a thread for nothing (50 to 100 µs of CPU), so it is not much shorter.
const yieldEvery = 8 * time.Millisecond

// Yields is for a goroutine that waits in the kernel past Go's poller. One that does not let
// others run for 10 ms looks to the scheduler like one that keeps its processor for itself,
// and is watched so closely that this costs more than the reading. The zero value is ready.
type Yields struct{ last time.Time }

// Yield lets others run when it is time. To be called before each wait.
func (y *Yields) Yield() {
	if time.Since(y.last) > yieldEvery {
		runtime.Gosched()
		y.last = time.Now()
	}
}
