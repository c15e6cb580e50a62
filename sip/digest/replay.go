package digest

import "sync/atomic"

// A slot counts the use of one nonce in 64 bits: which round of the ring it
// belongs to (12), the last nonce count (20), the print of the request that
// used it (32). The ring is bounded: a nonce whose slot went to a later one is
// stale, which costs its phone one more round trip and nothing else.
const (
	countBits = 20
	printBits = 32
	maxCount  = 1<<countBits - 1
	// onlyUse is the count of credentials without one: nothing comes after it.
	onlyUse = maxCount
	// maxBits keeps an index's round within its 12 bits.
	maxBits = 24
)

func (s *Server) slot(index uint32) *atomic.Uint64 { return &s.slots[index&(1<<s.bits-1)] }

// fresh is the slot of a nonce that nobody used.
func (s *Server) fresh(index uint32) uint64 {
	round := uint64(index>>s.bits) & (1<<12 - 1)
	return round << (countBits + printBits)
}

// use takes the nonce count; false when it was used before by another request.
func (s *Server) use(index, nc, print uint32) bool {
	slot, mine := s.slot(index), s.fresh(index)
	for {
		old := slot.Load()
		if old>>(countBits+printBits) != mine>>(countBits+printBits) {
			return false
		}
		last := uint32(old>>printBits) & maxCount
		if nc == last {
			return uint32(old) == print && last != 0
		}
		if nc < last || nc > maxCount || nc == maxCount && last != 0 {
			return false
		}
		if slot.CompareAndSwap(old, mine|uint64(nc)<<printBits|uint64(print)) {
			return true
		}
	}
}
