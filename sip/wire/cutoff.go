package wire

import "sync"

// cutOffer is a request that wants to know when its connection has ended.
type cutOffer interface{ CutOff() }

// relays are the requests within calls that went over a connection and have no
// answer yet. They fail when it ends.
type relays struct {
	mu   sync.Mutex
	open map[cutOffer]struct{}
	over bool
}

// Add is false when the connection has ended.
func (r *relays) Add(x cutOffer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	if r.open == nil {
		r.open = map[cutOffer]struct{}{}
	}
	r.open[x] = struct{}{}
	return true
}

func (r *relays) Remove(x cutOffer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, x)
}

func (r *relays) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// end lets all fail. The caller holds the lock of no shard.
func (r *relays) end() {
	r.mu.Lock()
	open := r.open
	r.open, r.over = nil, true
	r.mu.Unlock()
	for x := range open {
		x.CutOff()
	}
}
