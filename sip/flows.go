package sip

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// flows are the connections that phones opened to us, by the phone's address.
type flows struct {
	limit int

	mu     sync.Mutex
	byPeer map[flowKey]*flow
	closed bool
}

// flowKey names a connection: one address may have several, to ports of
// different transports. It implements net.Addr, for sipgo to know it by.
type flowKey struct {
	transport location.Transport
	peer      netip.AddrPort
}

// Network implements net.Addr.
func (k flowKey) Network() string { return "tcp" }

// String is the peer's address, marked with the transport unless that is TCP:
// nobody can dial back to it by mistake.
func (k flowKey) String() string {
	if k.transport == location.TCP {
		return k.peer.String()
	}
	return k.peer.String() + "/" + k.transport.String()
}

// parseFlowKey reads what String wrote.
func parseFlowKey(s string) flowKey {
	k := flowKey{transport: location.TCP}
	addr, name, marked := strings.Cut(s, "/")
	for t := location.TLS; marked && t <= location.WSS; t++ {
		if t.String() == name {
			k.transport = t
		}
	}
	k.peer, _ = netip.ParseAddrPort(addr)
	k.peer = netip.AddrPortFrom(k.peer.Addr().Unmap(), k.peer.Port())
	return k
}

func (f *flow) key() flowKey { return flowKey{f.l.transport, f.peer} }

// RemoteAddr implements net.Conn.
func (f *flow) RemoteAddr() net.Addr { return f.key() }

var (
	errTooMany   = errors.New("too many connections")
	errNoneTaken = errors.New("the server takes no connections any more")
)

func newFlows(limit int) *flows { return &flows{limit: limit, byPeer: map[flowKey]*flow{}} }

func (f *flows) add(fl *flow) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return errNoneTaken
	case len(f.byPeer) >= f.limit:
		return errTooMany
	}
	f.byPeer[fl.key()] = fl
	return nil
}

// remove takes the flow out and returns the DNs that registered over it.
func (f *flows) remove(fl *flow) []dn.Number {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byPeer[fl.key()] == fl {
		delete(f.byPeer, fl.key())
	}
	numbers := make([]dn.Number, 0, len(fl.numbers))
	for n := range fl.numbers {
		numbers = append(numbers, n)
	}
	fl.numbers = nil
	return numbers
}

// attach notes that a DN is registered over a connection; false
// when there is none any more.
func (f *flows) attach(k flowKey, n dn.Number) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.byPeer[k]
	if fl == nil {
		return false
	}
	if fl.numbers == nil {
		fl.numbers = map[dn.Number]struct{}{}
	}
	fl.numbers[n] = struct{}{}
	return true
}

// registered tells whether a DN that registered over the flow still has a
// binding there.
func (f *flows) registered(fl *flow) bool {
	f.mu.Lock()
	numbers := slices.Collect(maps.Keys(fl.numbers))
	f.mu.Unlock()
	return slices.ContainsFunc(numbers, func(n dn.Number) bool { return fl.l.bound(fl.key(), n) })
}

func (f *flows) get(k flowKey) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byPeer[k]
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
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, fl := range f.all() {
		wg.Go(func() { fl.Close() }) // who does not read makes nobody else wait
	}
	wg.Wait()
}

func (f *flows) all() []*flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*flow, 0, len(f.byPeer))
	for _, fl := range f.byPeer {
		all = append(all, fl)
	}
	return all
}
