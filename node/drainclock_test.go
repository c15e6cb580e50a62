package node

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// TestDrainClock_IsThisProcessesOwn: whoever's wall clock is wrong, a drain that the node
// hears of lasts as long as was asked, and one that it finds no longer than that.
func TestDrainClock_IsThisProcessesOwn(t *testing.T) {
	now := time.Now()
	const asked = time.Minute
	// drains is a drain as a node asked for it whose clock is ahead.
	drains := func(ahead time.Duration, d time.Duration) *configpb.Node {
		return &configpb.Node{Draining: true, DrainUntilMs: uint64(now.Add(ahead + d).UnixMilli()), DrainForMs: uint64(d.Milliseconds())}
	}
	for ahead, found := range map[time.Duration]time.Duration{0: asked, time.Hour: asked, -time.Hour: -time.Hour + asked, -30 * time.Second: 30 * time.Second} {
		var heard, finds drainClock
		if end := heard.at(&configpb.Node{}, now); !end.IsZero() {
			t.Errorf("it does not drain, until %v", end)
		}
		for _, later := range []time.Duration{0, time.Second} {
			if left := heard.at(drains(ahead, asked), now.Add(later)).Sub(now); left != asked {
				t.Errorf("ahead by %v: %v after it heard of it %v are left in all", ahead, later, left)
			}
			if left := finds.at(drains(ahead, asked), now.Add(later)).Sub(now); (left - found).Abs() > time.Millisecond {
				t.Errorf("ahead by %v: it found it and had %v, want %v", ahead, left, found)
			}
		}
		if left := heard.at(drains(ahead, 2*asked), now.Add(time.Second)).Sub(now); left != time.Second+2*asked {
			t.Errorf("ahead by %v: longer, and %v are left", ahead, left)
		}
		if end := heard.at(&configpb.Node{Draining: true}, now); !end.IsZero() {
			t.Errorf("without an end it ends at %v", end)
		}
		undone := drains(ahead, asked)
		undone.Draining = false
		if end := heard.at(undone, now); !end.IsZero() {
			t.Errorf("undone, it ends at %v", end)
		}
	}
}
