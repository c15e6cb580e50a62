package proxy

import "sync"

// recent is a set of hashes that remembers as many as were added last.
type recent struct {
	most int

	mu         sync.Mutex
	young, old map[uint64]struct{}
}

// maxRecent is how many hashes a set remembers at least.
const maxRecent = 16384

func newRecent(most int) *recent { return &recent{most: most, young: map[uint64]struct{}{}} }

func (r *recent) add(h uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.most {
		r.young, r.old = map[uint64]struct{}{}, r.young
	}
	r.young[h] = struct{}{}
}

func (r *recent) has(h uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, young := r.young[h]
	_, old := r.old[h]
	return young || old
}
