// Package workload is what clients do to a cluster while it breaks: phones
// that register, administrators who write configuration, programs that ask for
// lists, Stat Servers that follow the streams. Everything that they did and were
// told goes into the history; whether it was right is for package check alone.
//
// A client does one thing at a time, and chooses by a random source of its own,
// seeded by the run's seed and its name. A new workload
// is a file with a Run method and a line in jepsen/chaos.
package workload

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Site is what all clients share.
type Site struct {
	Cluster *cluster.Cluster
	Record  *history.Recorder
	Seed    uint64
	Realm   string
	// Sampling: phones are called by a Sample, and not routable meanwhile, which nobody else
	// knows of.
	Sampling atomic.Bool

	mu    sync.Mutex
	later []func()
}

// Later has f done by Close: what has to stay as it is as long as anybody looks.
func (s *Site) Later(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later = append(s.later, f)
}

// Close ends what the clients left open.
func (s *Site) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.later {
		f()
	}
	s.later = nil
}

// random is the client's own random source.
func (s *Site) random(client string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(client))
	return rand.New(rand.NewPCG(s.Seed, h.Sum64()))
}

// pause waits; false when the run is over.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// patience is how long a client waits for an answer. The end of the run does
// not break a request off: its outcome would stay open.
func patience(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// between is a random duration.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)+1))
}

// every calls fn at a steady pace until ctx ends; a call that takes longer
// than the pace delays the next one.
func every(ctx context.Context, pace time.Duration, fn func(context.Context)) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		fn(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
