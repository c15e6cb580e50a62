package sip

import (
	"net"
	"net/netip"
	"slices"
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

// Advertise says by which host:port others reach this port from now on, as the setting
// of that name; phones of each transport hear of it with the next message. Nodes go by
// the token in front of it.
func (s *Server) Advertise(told string) {
	s.told.Store(&told)
	advertised := s.advertised()
	host, _, err := net.SplitHostPort(advertised)
	var reach [location.WSS + 1]string
	for t := range reach {
		reach[t] = advertised
		a := s.Addr(location.Transport(t))
		if a == nil || err != nil || t == int(location.UDP) {
			continue
		}
		if _, port, err := net.SplitHostPort(a.String()); err == nil {
			reach[t] = net.JoinHostPort(host, port)
		}
	}
	s.reach.Set(reach)
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
