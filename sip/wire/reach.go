package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/sip/location"
)

var (
	errUnbound  = errors.New("no address of that family is served here")
	errNoDialer = errors.New("that transport is not used here")
)

// NoWay is why nothing leaves this node for an address by a transport, as its sockets and
// this machine's routes are: who is there can't be heard of from here, whether he answers or
// not. It is nil when there is a way. Nothing is sent.
func (e *Exits) NoWay(t location.Transport, to netip.Addr) error {
	if e.simulated() {
		return nil
	}
	to = to.Unmap()
	from, err := e.leavesFrom(t, to)
	if err = cmp.Or(err, route(from, to)); err == nil {
		return nil
	}
	family := "IPv6"
	if to.Is4() {
		family = "IPv4"
	}
	return fmt.Errorf("this node has no way to the %s address %s: %w", family, to, err)
}

// simulated: datagrams leave by a Network, of which the kernel knows nothing.
func (e *Exits) simulated() bool {
	if e.Datagrams == nil {
		return false
	}
	_, real := e.Datagrams.socket.(*socket)
	return !real
}

// leavesFrom is the address from which something is sent to another one; the zero Addr
// leaves that to the kernel.
func (e *Exits) leavesFrom(t location.Transport, to netip.Addr) (from netip.Addr, err error) {
	switch {
	case t == location.UDP && e.Datagrams == nil, t != location.UDP && (int(t) >= len(e.Dialers) || e.Dialers[t] == nil):
		return from, errNoDialer
	case t != location.UDP:
		if from = e.Dialers[t].local; from.Is4() != to.Is4() {
			from = netip.Addr{} // a connection may come from any
		}
		return from, nil
	}
	from = e.Datagrams.socket.addr().AddrPort().Addr()
	switch {
	case from.IsUnspecified() && (from.Is6() || to.Is4()):
		return netip.Addr{}, nil
	case from.Unmap().Is4() != to.Is4():
		return from, errUnbound
	}
	return from.Unmap(), nil
}

// route asks the kernel for the way between two addresses.
func route(from, to netip.Addr) error {
	var local *net.UDPAddr
	if from.IsValid() {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err == nil {
		return c.Close()
	}
	if errors.Is(err, unix.EINVAL) && from.IsLoopback() {
		return fmt.Errorf("the SIP port is bound to %s", from)
	}
	for _, none := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EADDRNOTAVAIL, unix.EAFNOSUPPORT, unix.EINVAL} {
		if errors.Is(err, none) {
			return none
		}
	}
	return nil // it says nothing of the way
}
