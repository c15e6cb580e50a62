package sip

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
)

// flows are the connections that phones opened to us, by the phone's address.
type flows struct {
	limit int

	mu     sync.Mutex
	byPeer map[netip.AddrPort]*flow
	closed bool
}

var (
	errTooMany   = errors.New("too many connections")
	errNoneTaken = errors.New("the server takes no connections any more")
)

func newFlows(limit int) *flows { return &flows{limit: limit, byPeer: map[netip.AddrPort]*flow{}} }

func (f *flows) add(fl *flow) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return errNoneTaken
	case len(f.byPeer) >= f.limit:
		return errTooMany
	}
	f.byPeer[fl.peer] = fl
	return nil
}

// remove takes the flow out and returns the DNs that registered over it.
func (f *flows) remove(fl *flow) []dn.Number {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byPeer[fl.peer] == fl {
		delete(f.byPeer, fl.peer)
	}
	numbers := make([]dn.Number, 0, len(fl.numbers))
	for n := range fl.numbers {
		numbers = append(numbers, n)
	}
	fl.numbers = nil
	return numbers
}

// attach notes that a DN is registered over the connection from peer; false
// when there is none any more.
func (f *flows) attach(peer netip.AddrPort, n dn.Number) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.byPeer[peer]
	if fl == nil {
		return false
	}
	if fl.numbers == nil {
		fl.numbers = map[dn.Number]struct{}{}
	}
	fl.numbers[n] = struct{}{}
	return true
}

// registered tells whether anybody registered over the flow.
func (f *flows) registered(fl *flow) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(fl.numbers) > 0
}

func (f *flows) get(peer netip.AddrPort) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byPeer[peer]
}

func (f *flows) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byPeer)
}

// shut closes all connections, and with them ends the bindings over them. No
// other is taken from then on.
func (f *flows) shut() {
	f.mu.Lock()
	f.closed = true
	all := make([]*flow, 0, len(f.byPeer))
	for _, fl := range f.byPeer {
		all = append(all, fl)
	}
	f.mu.Unlock()
	for _, fl := range all {
		fl.Close()
	}
}
