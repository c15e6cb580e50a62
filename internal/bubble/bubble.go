// Package bubble runs tests in bubbles of testing/synctest. Only tests call it.
package bubble

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/internal/race"
)

// Test is synctest.Test. With the race detector it has one processor: on several, channels
// of timers that are asked in a bubble at one moment end the process with "ThreadSanitizer:
// CHECK failed" (golang/go#78156).
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if race.Enabled {
		one.begin()
		defer one.end()
	}
	synctest.Test(t, f)
}

// processors counts the bubbles that want one.
type processors struct {
	mu     sync.Mutex
	users  int
	before int
}

var one processors

func (p *processors) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users++; p.users == 1 {
		p.before = runtime.GOMAXPROCS(1)
	}
}

func (p *processors) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users == 0 {
		runtime.GOMAXPROCS(p.before)
	}
}
