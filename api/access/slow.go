package access

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// patience is how many failures a source has before each further one takes slowness,
	// for forget after the last.
	patience = 10
	slowness = time.Second
	forget   = time.Minute
	// maxSources are remembered; more push out one that is there.
	maxSources = 4096
	// maxWaiting are held up at a time: more are answered at once.
	maxWaiting = 256
)

// slow holds up those who show what is wrong again and again. Its zero value is of use.
type slow struct {
	mu      sync.Mutex
	of      map[netip.Addr]*failures
	waiting int
}

type failures struct {
	n    int
	last time.Time
}

// failed counts a failure and holds its source up, unless it is a rare one or the
// context ends.
func (s *slow) failed(ctx context.Context, source netip.Addr) {
	if !s.count(source, time.Now()) {
		return
	}
	defer s.done()
	t := time.NewTimer(slowness)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// count tells whether the source is to be held up: done has to follow then.
func (s *slow) count(source netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.of[source]
	switch {
	case f == nil:
		s.makeRoom(now)
		f = &failures{}
		s.of[source] = f
	case now.Sub(f.last) > forget:
		f.n = 0
	}
	f.n++
	f.last = now
	if f.n <= patience || s.waiting >= maxWaiting {
		return false
	}
	s.waiting++
	return true
}

// makeRoom forgets whoever is quiet when there are too many, and somebody in any case.
func (s *slow) makeRoom(now time.Time) {
	if s.of == nil {
		s.of = map[netip.Addr]*failures{}
	}
	if len(s.of) < maxSources {
		return
	}
	for a, f := range s.of {
		if now.Sub(f.last) > forget {
			delete(s.of, a)
		}
	}
	for a := range s.of {
		if len(s.of) < maxSources {
			return
		}
		delete(s.of, a)
	}
}

func (s *slow) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

const (
	// quiet is after how long a use is told of again.
	quiet = 10 * time.Minute
	// maxUses are remembered.
	maxUses = 4096
)

// uses are which tokens were used for what. Its zero value is of use.
type uses struct {
	mu sync.Mutex
	of map[string]time.Time
}

// again tells whether a use is the first for some time.
func (u *uses) again(use string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, known := u.of[use]; known && now.Sub(last) < quiet {
		return false
	}
	if u.of == nil || len(u.of) >= maxUses {
		u.of = map[string]time.Time{}
	}
	u.of[use] = now
	return true
}
