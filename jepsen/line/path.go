package line

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Path is what happens to packets on their way from one end to another one. The zero Path
// is a cable: they arrive at once.
type Path struct {
	// Delay of each packet, one way.
	Delay time.Duration
	// Jitter changes the delay by at most that much, up or down, all values alike.
	Jitter time.Duration
	// Reorder lets a packet overtake those that happen to be slower; otherwise it arrives
	// together with the last of them.
	Reorder bool
	// Loss in percent of the packets.
	Loss float64
	// Burst is how many packets in a row a loss takes, on average; 0 and 1: each packet is
	// lost by itself.
	Burst float64
	// Rate in bit/s, the headers of Ethernet counted; 0: whatever comes.
	Rate int
	// Queue is for how long a packet may wait for those before it at that rate; one that
	// had to wait longer is lost. 0 means 250 ms.
	Queue time.Duration
}

const defaultQueue = 250 * time.Millisecond

// check returns an error for a Path that nothing can be.
func (p *Path) check() error {
	if p.Delay < 0 || p.Jitter < 0 || p.Jitter > p.Delay || p.Loss < 0 || p.Loss > 100 || p.Rate < 0 || p.Queue < 0 {
		return fmt.Errorf("no line is %+v: nothing may be negative, Jitter not more than Delay, Loss not more than 100", *p)
	}
	if p.Burst > 1 && p.Loss > 99 {
		return fmt.Errorf("no line is %+v: losses come in bursts where something arrives", *p)
	}
	return nil
}

// fate of a packet.
type fate int

const (
	passes fate = iota
	// lost on the way.
	lost
	// overflows the queue in front of it.
	overflows
)

// way is a Path with what is on it: the rule by which packets go, with the time given.
type way struct {
	Path
	free  time.Duration // when all that waits in front of it has left
	last  time.Duration // when the latest packet arrives
	burst bool          // what comes next is lost with what came before
}

// pass tells when a packet of so many octets that comes at now arrives.
func (w *way) pass(now time.Duration, size int, r *rand.Rand) (at time.Duration, f fate) {
	leaves := now
	if w.Rate > 0 {
		queue := w.Queue
		if queue == 0 {
			queue = defaultQueue
		}
		if leaves = max(now, w.free); leaves-now > queue {
			return 0, overflows
		}
		leaves += time.Duration(int64(size) * 8 * int64(time.Second) / int64(w.Rate))
		w.free = leaves
	}
	if w.loses(r) {
		return 0, lost
	}
	at = leaves + w.Delay
	if w.Jitter > 0 {
		at += time.Duration(r.Int64N(2*int64(w.Jitter)+1)) - w.Jitter
	}
	if !w.Reorder {
		at = max(at, w.last)
	}
	w.last = max(at, w.last)
	return at, passes
}

// loses tells whether the next packet is lost. Bursts are those of a Gilbert channel: from
// a packet that arrives to one that is lost with the chance that gives Loss in all, and back
// with 1/Burst.
func (w *way) loses(r *rand.Rand) bool {
	chance := w.Loss / 100
	switch {
	case chance == 0:
		return false
	case w.Burst <= 1:
		return r.Float64() < chance
	case w.burst:
		w.burst = r.Float64() >= 1/w.Burst
	default:
		w.burst = r.Float64() < chance/(w.Burst*(1-chance))
	}
	return w.burst
}
