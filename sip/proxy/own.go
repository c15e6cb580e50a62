package proxy

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// ownPorts are the cluster's SIP ports: what is sent there comes back.
type ownPorts struct {
	machine *fsm.Machine
	// hosts are those of this node by transport; nil for none.
	hosts *location.Hosts
	// datagrams are the addresses at which this node takes them; nil for none.
	datagrams func() []netip.AddrPort
	now       atomic.Pointer[portSet]
}

// portSet is what is known of them at a time.
type portSet struct {
	all, datagrams map[netip.AddrPort]bool
	// machines are those of datagrams.
	machines map[netip.Addr]bool
}

// note finds them as they are now; true when that is news.
func (o *ownPorts) note() bool {
	s := &portSet{all: map[netip.AddrPort]bool{}, datagrams: map[netip.AddrPort]bool{}, machines: map[netip.Addr]bool{}}
	for _, n := range o.machine.View().Nodes() {
		s.add(location.UDP, n.GetSipAddr())
	}
	for by := location.UDP; by <= location.WSS && o.hosts != nil; by++ {
		s.add(by, o.hosts.Of(by, netip.Addr{}))
		s.add(by, o.hosts.Of(by, netip.IPv6Unspecified()))
	}
	if o.datagrams != nil {
		for _, a := range o.datagrams() {
			s.takes(a)
		}
	}
	old := o.now.Swap(s)
	return old == nil || !maps.Equal(old.all, s.all)
}

func (s *portSet) add(by location.Transport, addr string) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	s.all[a] = true
	if by == location.UDP {
		s.takes(a)
	}
}

// takes notes where datagrams are taken.
func (s *portSet) takes(a netip.AddrPort) {
	s.datagrams[a] = true
	s.machines[a.Addr()] = true
}

// has tells whether an address is one of the cluster's SIP ports, by whichever address of this
// machine.
func (o *ownPorts) has(a netip.AddrPort) bool {
	s := o.now.Load()
	return s.all[a] || s.datagrams[a]
}

// Loops tells whether what is sent to a binding would come back to this cluster: a phone
// has given a node's address for its own, or a proxy in front of it has, for itself. Of a
// binding that is reached over a connection, or through a NAT, the Contact says nothing.
func (p *Proxy) Loops(b *location.Binding) bool {
	own := p.trunks.own.now.Load()
	if !b.Transport.Connected() && own.machines[b.Source.Addr()] && own.datagrams[Reach(b)] {
		return true
	}
	return slices.ContainsFunc(b.Path, func(hop string) bool {
		a, _ := message.ParseAddress([]byte(hop))
		u, ok := message.ParseURI(a.URI)
		at, isIP := u.AddrPort()
		return ok && isIP && own.all[at]
	})
}
