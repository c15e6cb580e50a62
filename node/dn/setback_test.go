package dn

import (
	"testing"
	"time"
)

// TestSurpass_AfterTheClockWasSetBack: phones register elsewhere while a node is down, and
// come back to it before it has heard where they were. Its clock was set back meanwhile;
// still they are where they registered last, since it has met the others.
func TestSurpass_AfterTheClockWasSetBack(t *testing.T) {
	for seed := range uint64(2000) {
		w := newWorld(seed, 2+int(seed%3), 0)
		for range 20 {
			w.step(t)
		}
		w.settle(t)
		const down = 0
		others := w.nodes[1:]
		for i := range others {
			w.cut[[2]int{down, 1 + i}], w.cut[[2]int{1 + i, down}] = true, true
		}
		floor := w.nodes[down].table.MaxClaim()
		w.crash(down)
		for range w.r.IntN(8) {
			w.now = w.now.Add(time.Second)
			w.register(1+w.r.IntN(len(others)), w.number())
			w.deliver(t, 1+w.r.IntN(len(others)), 1+w.r.IntN(len(others)))
		}
		s := w.nodes[down]
		s.skew = -time.Hour
		w.start(s)
		s.table.cfg.Floor = floor
		for _, o := range others {
			s.table.Surpass(o.table.MaxClaim())
		}
		s.table.Surpass(maxClaimTime) // which nobody could surpass any more
		for _, i := range []int{down, down, 1 + w.r.IntN(len(others))} {
			w.now = w.now.Add(time.Second)
			w.register(i, w.number())
		}
		w.settle(t)
		w.check(t, seed, false)
	}
}
