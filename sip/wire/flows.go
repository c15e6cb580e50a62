package wire

import (
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/source"
)

// Flows are the connections that phones opened to us, by the phone's address.
type Flows struct {
	limit int
	seed  maphash.Seed // of what its connections hash
	spare spare

	mu     sync.Mutex
	byPeer map[FlowKey]*Flow
	// strangers are those over which nobody has proved yet who he is.
	strangers *crowd[*Flow]
	closed    bool
}

// strangersShare is the part of all connections that strangers of one source may have,
// but leastStrangers at least.
const strangersShare, leastStrangers = 10, 16

// FlowKey names a connection: one address may have several, to ports of
// different transports. It implements net.Addr, for sipgo to know it by.
type FlowKey struct {
	Transport location.Transport
	Peer      netip.AddrPort
}

// Network implements net.Addr.
func (k FlowKey) Network() string { return "tcp" }

// String is the peer's address, marked with the transport unless that is TCP:
// nobody can dial back to it by mistake.
func (k FlowKey) String() string {
	if k.Transport == location.TCP {
		return k.Peer.String()
	}
	return k.Peer.String() + "/" + k.Transport.String()
}

// Carries tells whether a binding came over the connection.
func (k FlowKey) Carries(b *location.Binding) bool {
	return b.Transport.Connected() && b.Transport == k.Transport && b.Source == k.Peer
}

// ParseFlowKey reads what String wrote.
func ParseFlowKey(s string) FlowKey {
	k := FlowKey{Transport: location.TCP}
	addr, name, marked := strings.Cut(s, "/")
	for t := location.TLS; marked && t <= location.WSS; t++ {
		if t.String() == name {
			k.Transport = t
		}
	}
	k.Peer, _ = netip.ParseAddrPort(addr)
	k.Peer = netip.AddrPortFrom(k.Peer.Addr().Unmap(), k.Peer.Port())
	return k
}

func (f *Flow) key() FlowKey { return FlowKey{f.l.transport, f.peer} }

// RemoteAddr implements net.Conn.
func (f *Flow) RemoteAddr() net.Addr { return f.key() }

var (
	errTooMany   = errors.New("too many connections")
	errNoneTaken = errors.New("the server takes no connections any more")
)

// NewFlows takes up to limit connections. A source may have a tenth of them without
// having proved who it is.
func NewFlows(limit int) *Flows {
	return &Flows{limit: limit, seed: maphash.MakeSeed(), byPeer: map[FlowKey]*Flow{}, strangers: newCrowd[*Flow](max(limit/strangersShare, leastStrangers))}
}

// add takes a connection in; an error says why not. Then, and when another one had
// to go for it, which add has closed, there were too many.
func (f *Flows) add(fl *Flow) (full bool, err error) {
	f.mu.Lock()
	old, full, err := f.room(source.Of(fl.peer.Addr()))
	if err == nil {
		f.byPeer[fl.key()] = fl
		fl.place = f.strangers.add(source.Of(fl.peer.Addr()), fl)
	}
	f.mu.Unlock()
	if old != nil {
		old.drop()
	}
	return full, err
}

// room makes room for a connection, if need be by giving up a stranger: of the same
// source when that has too many, or else the oldest. The caller holds mu.
func (f *Flows) room(from netip.Addr) (old *Flow, full bool, err error) {
	if f.closed {
		return nil, false, errNoneTaken
	}
	p, full := f.strangers.tooMany(from)
	if !full {
		if len(f.byPeer) < f.limit {
			return nil, false, nil
		}
		if p = f.strangers.oldest(); p != nil && time.Since(p.since) < settled {
			p = nil
		}
	}
	if p == nil {
		return nil, true, errTooMany
	}
	f.strangers.remove(p)
	delete(f.byPeer, p.who.key())
	return p.who, true, nil
}

// Keep notes that somebody known has used the connection: it may be silent.
func (f *Flows) Keep(k FlowKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.byPeer[k]; fl != nil {
		fl.Kept.Store(true)
		f.strangers.remove(fl.place)
	}
}

// remove takes the flow out and returns the DNs that registered over it.
func (f *Flows) remove(fl *Flow) []dn.Number {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.strangers.remove(fl.place)
	if f.byPeer[fl.key()] == fl {
		delete(f.byPeer, fl.key())
	}
	numbers := make([]dn.Number, 0, len(fl.numbers))
	for n := range walk.Map(&f.mu, fl.numbers) {
		numbers = append(numbers, n)
	}
	fl.numbers = nil
	return numbers
}

// Attach notes that a DN is registered over a connection; false
// when there is none any more.
func (f *Flows) Attach(k FlowKey, n dn.Number) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.byPeer[k]
	if fl == nil {
		return false
	}
	f.strangers.remove(fl.place)
	if fl.numbers == nil {
		fl.numbers = map[dn.Number]struct{}{}
	}
	fl.numbers[n] = struct{}{}
	return true
}

// registered tells whether a DN that registered over the flow still has a
// binding there.
func (f *Flows) registered(fl *Flow) bool {
	f.mu.Lock()
	numbers := make([]dn.Number, 0, len(fl.numbers))
	for n := range walk.Map(&f.mu, fl.numbers) {
		numbers = append(numbers, n)
	}
	f.mu.Unlock()
	return slices.ContainsFunc(numbers, func(n dn.Number) bool { return fl.l.bound(fl.key(), n) })
}

// Get is a connection; nil when there is none.
func (f *Flows) Get(k FlowKey) *Flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byPeer[k]
}

// Len counts the connections.
func (f *Flows) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byPeer)
}

// shut closes all connections, and with them ends the bindings over them. No
// other is taken from then on.
func (f *Flows) shut() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, fl := range f.All() {
		wg.Go(func() { fl.Close() }) // who does not read makes nobody else wait
	}
	wg.Wait()
}

// All are the connections of now.
func (f *Flows) All() []*Flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*Flow, 0, len(f.byPeer))
	for _, fl := range walk.Map(&f.mu, f.byPeer) {
		all = append(all, fl)
	}
	return all
}

// unanswered are the requests of all connections that wait for their answers.
func (f *Flows) unanswered() (n int) {
	for _, fl := range f.All() {
		n += fl.pending.len()
	}
	return n
}

// relayed are the requests of all connections that the phones have to answer.
func (f *Flows) relayed() (n int) {
	for _, fl := range f.All() {
		n += fl.Relays.len()
	}
	return n
}
