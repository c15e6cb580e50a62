package access

import (
	"net/netip"
	"sync"
)

// Room has a number of places, of which a source gets no more than some, so that
// one can't take those of all others.
type Room struct {
	all, each int

	mu    sync.Mutex
	taken int
	of    map[netip.Addr]int
}

// NewRoom has all places, and each for a source.
func NewRoom(all, each int) *Room {
	return &Room{all: all, each: each, of: map[netip.Addr]int{}}
}

// Entered is what becomes of who wants a place.
type Entered uint8

const (
	// In: it has one, until Leave.
	In Entered = iota
	// Full: there is none.
	Full
	// FullFor this source there is none.
	FullFor
)

// Enter asks for a place for a source, as Network tells it.
func (r *Room) Enter(source netip.Addr) Entered {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.taken >= r.all:
		return Full
	case r.of[source] >= r.each:
		return FullFor
	}
	r.taken++
	r.of[source]++
	return In
}

// Leave gives a place back.
func (r *Room) Leave(source netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
	if r.of[source]--; r.of[source] <= 0 {
		delete(r.of, source)
	}
}

// Taken is how many places are.
func (r *Room) Taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}
