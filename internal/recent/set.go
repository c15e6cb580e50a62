package recent

import (
	"hash/maphash"
	"sync"
)

var seed = maphash.MakeSeed()

// Hash hashes what a Set is to remember, with a seed of this process.
func Hash[T comparable](v T) uint64 { return maphash.Comparable(seed, v) }

// Set is a set of hashes that remembers as many as were added last; it may be used by
// several goroutines.
type Set struct {
	mu  sync.Mutex
	set Map[uint64, struct{}]
}

// New makes an empty set that remembers the last most hashes at least, and at most twice
// as many.
func New(most int) *Set { return &Set{set: NewMap[uint64, struct{}](most)} }

// Add remembers a hash.
func (r *Set) Add(h uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set.Put(h, struct{}{})
}

// Has tells whether a hash is remembered.
func (r *Set) Has(h uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.set.Get(h)
	return ok
}
