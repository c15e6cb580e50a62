package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// resolver resolves host:port of nodes and gateways, and remembers what it found.
type resolver struct {
	// spawn runs a function in a goroutine that ends with the proxy, whose
	// context it gets; false when that has ended.
	spawn func(func(context.Context)) bool

	mu    sync.Mutex
	known map[string]resolved
}

type resolved struct {
	addr netip.AddrPort
	at   time.Time
}

// maxNames bounds the names that are remembered: more than there are nodes and
// gateways, whose addresses change.
const maxNames = 4096

func newResolver(spawn func(func(context.Context)) bool) *resolver {
	return &resolver{spawn: spawn, known: map[string]resolved{}}
}

// lookUpTime is how long a name may take that nobody asked for before.
const lookUpTime = time.Second

// get returns the address, and false for a name that was not found yet: find
// has to be called. It does not wait; a name that is known is looked up again
// in another goroutine from time to time.
func (n *resolver) get(address string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return a, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k, ok := n.known[address]
	if ok && time.Since(k.at) > resolveEvery {
		n.known[address] = resolved{k.addr, time.Now()}                    // one looks, not all
		n.spawn(func(ctx context.Context) { _, _ = n.find(ctx, address) }) // what is known stays when it fails
	}
	return k.addr, ok
}

// find looks a name up.
func (n *resolver) find(ctx context.Context, address string) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	addr, err := lookUp(ctx, address)
	if err != nil {
		return addr, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keep(address, addr)
	return addr, nil
}

// lookUp looks a name up in another goroutine; false when the proxy has ended.
func (n *resolver) lookUp(address string, then func(error)) bool {
	return n.spawn(func(ctx context.Context) {
		_, err := n.find(ctx, address)
		then(err)
	})
}

// keep remembers an address, and forgets the one that was not asked for for the
// longest time when there are too many. The caller holds mu.
func (n *resolver) keep(address string, addr netip.AddrPort) {
	if _, ok := n.known[address]; !ok && len(n.known) >= maxNames {
		oldest := ""
		for name, k := range n.known {
			if oldest == "" || k.at.Before(n.known[oldest].at) {
				oldest = name
			}
		}
		delete(n.known, oldest)
	}
	n.known[address] = resolved{addr, time.Now()}
}

var errNoAddress = errors.New("sip: the name has no address")

// lookUp finds the address of a host:port.
func lookUp(ctx context.Context, address string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return a, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(list) == 0 {
		return netip.AddrPort{}, errNoAddress
	}
	return netip.AddrPortFrom(list[0].Unmap(), uint16(n)), nil
}
