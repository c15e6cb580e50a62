package sip

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// advertised is the host:port by which we are reached, whatever the transport.
func (s *Server) advertised() string {
	if told := *s.told.Load(); told != "" {
		return told
	}
	if list := s.addrs(); len(list) > 0 {
		return list[0]
	}
	return "localhost"
}

// serves finds out which addresses are served here.
func (s *Server) serves() {
	for _, a := range append([]string{s.cfg.Advertise}, s.addrs()...) {
		if a, err := netip.ParseAddrPort(a); err == nil {
			s.served = append(s.served, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		}
	}
}

// datagrams are the addresses at which they are taken, each of this machine's where the port
// is bound to all.
func (s *Server) datagrams() (list []netip.AddrPort) {
	bound := s.UDPAddr()
	if bound == nil {
		return nil
	}
	at, err := netip.ParseAddrPort(bound.String())
	switch {
	case err != nil:
		return nil
	case !at.Addr().IsUnspecified():
		return []netip.AddrPort{netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	}
	for _, a := range machineAddrs() {
		list = append(list, netip.AddrPortFrom(a, at.Port()))
	}
	return list
}

// Advertise says by which host:port others reach this port from now on, as the setting
// of that name; phones of each transport hear of it with the next message. Who is at an
// address of the other family hears of an address of this machine that is of that, where
// the port is bound to all. Nodes go by the token in front of it.
func (s *Server) Advertise(told string) {
	s.told.Store(&told)
	advertised := s.advertised()
	host, _, err := net.SplitHostPort(advertised)
	ip, _ := netip.ParseAddr(host)
	other := ofOtherFamily(ip, machineAddrs())
	var near, across location.Reach // from the family of what is advertised, and from the other one
	for t := range near {
		near[t], across[t] = advertised, advertised
		a := s.Addr(location.Transport(t))
		if a == nil || err != nil {
			continue
		}
		at, err := netip.ParseAddrPort(a.String())
		if err != nil {
			continue
		}
		port := strconv.Itoa(int(at.Port()))
		if t != int(location.UDP) {
			near[t] = net.JoinHostPort(host, port)
		}
		if across[t] = near[t]; other.IsValid() && at.Addr().IsUnspecified() {
			across[t] = net.JoinHostPort(other.String(), port)
		}
	}
	if ip.Is6() {
		near, across = across, near
	}
	s.reach.Set(near, across)
}

// machineAddrs are the addresses of this machine; none when it does not tell.
func machineAddrs() (all []netip.Addr) {
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all
}

// ofOtherFamily is the first address that is of the other family than one: a loopback one
// when there is none else. It is not valid when there is none at all, or no one.
func ofOtherFamily(one netip.Addr, all []netip.Addr) (other netip.Addr) {
	if !one.IsValid() {
		return other
	}
	for _, a := range all {
		switch {
		case a.Is4() == one.Unmap().Is4():
		case a.IsGlobalUnicast():
			return a
		case a.IsLoopback():
			other = a
		}
	}
	return other
}

// addrs are those that are listened on.
func (s *Server) addrs() (list []string) {
	for t := location.UDP; t <= location.WSS; t++ {
		if a := s.Addr(t); a != nil {
			list = append(list, a.String())
		}
	}
	return list
}

// leadsHere tells whether a URI without a token leads to this node: by the names
// of the cluster, or by an address that is served here.
func (s *Server) leadsHere(u message.URI) bool {
	if !message.IsIP(u.Host) {
		if host, _, err := net.SplitHostPort(*s.told.Load()); err == nil && strings.EqualFold(host, string(u.Host)) {
			return true
		}
		return s.guard.Mine(u.Host)
	}
	addr, ok := u.AddrPort()
	if told, err := netip.ParseAddrPort(*s.told.Load()); ok && err == nil && told == addr {
		return true
	}
	return ok && slices.ContainsFunc(s.served, func(a netip.AddrPort) bool {
		return a.Port() == addr.Port() && (a.Addr().IsUnspecified() || a.Addr() == addr.Addr())
	})
}
