package node

import (
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// drainClock knows when this node's drain is over. It measures that from when the node
// heard of it, by the process's own time; a process that finds a drain when it begins
// goes by the wall clock, and waits no longer than the whole.
type drainClock struct {
	mu           sync.Mutex
	begun        bool
	until, lasts uint64 // ms, as the roster says
	end          time.Time
}

// at is when it is over; the zero time: each DN goes when its registration ends, or
// the node does not drain. The first call is to come before the node hears any news.
func (c *drainClock) at(n *configpb.Node, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, lasts := n.GetDrainUntilMs(), n.GetDrainForMs()
	if !n.GetDraining() {
		until, lasts = 0, 0
	}
	if c.begun && until == c.until && lasts == c.lasts {
		return c.end
	}
	whole := time.Duration(lasts) * time.Millisecond
	if !c.begun {
		whole = min(whole, n.DrainEnd().Sub(now))
	}
	c.begun, c.until, c.lasts, c.end = true, until, lasts, n.DrainEnd()
	if lasts > 0 {
		c.end = now.Add(whole)
	}
	return c.end
}
