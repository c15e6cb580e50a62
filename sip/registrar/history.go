package registrar

import (
	"hash/maphash"
	"sync"
	"time"
)

// history remembers the Call-IDs whose bindings were replaced or taken back,
// with their last CSeq. It is bounded: two generations. After a restart it is
// empty, but then every nonce of before is stale too.
type history struct {
	seed maphash.Seed

	mu         sync.Mutex
	young, old map[uint64]pastCall
}

type pastCall struct {
	cseq uint32
	at   time.Time
}

const (
	// generation is the size of one of the two.
	generation = 1 << 16
	// inFlight is how long a request may still arrive after it was sent: the
	// longest that a client repeats it (64*T1, RFC 3261 §17.1.2.2).
	inFlight = 32 * time.Second
)

func newHistory() history {
	return history{seed: maphash.MakeSeed(), young: map[uint64]pastCall{}, old: map[uint64]pastCall{}}
}

func (h *history) key(number string, callID []byte) uint64 {
	return maphash.String(h.seed, number) ^ maphash.Bytes(h.seed, callID)*0x9e3779b97f4a7c15
}

// last is what decide asks; see lastCSeqOf.
func (h *history) last(number string, callID []byte, now time.Time) (cseq uint32, recently, known bool) {
	k := h.key(number, callID)
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.young[k]
	if !ok {
		p, ok = h.old[k]
	}
	return p.cseq, ok && now.Sub(p.at) < inFlight, ok
}

// add notes that the bindings of the Call-ID are gone.
func (h *history) add(number, callID string, cseq uint32, now time.Time) {
	k := h.key(number, []byte(callID))
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.young) >= generation {
		h.old, h.young = h.young, make(map[uint64]pastCall, generation)
	}
	h.young[k] = pastCall{cseq: cseq, at: now}
}

// forget takes a Call-ID back that registered again.
func (h *history) forget(number string, callID []byte) {
	k := h.key(number, callID)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.young, k)
	delete(h.old, k)
}
