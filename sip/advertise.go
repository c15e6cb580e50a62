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
	if s.cfg.Advertise != "" {
		return s.cfg.Advertise
	}
	if list := s.addrs(); len(list) > 0 {
		return list[0]
	}
	return "localhost"
}

// advertise finds out by which host:port phones of each transport reach us.
// Nodes go by the token in front of it.
func (s *Server) advertise() {
	advertised := s.advertised()
	for _, a := range append([]string{s.cfg.Advertise}, s.addrs()...) {
		if a, err := netip.ParseAddrPort(a); err == nil {
			s.served = append(s.served, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		}
	}
	host, _, err := net.SplitHostPort(advertised)
	for t := range s.reach {
		s.reach[t] = advertised
		a := s.Addr(location.Transport(t))
		if a == nil || err != nil || t == int(location.UDP) {
			continue
		}
		if _, port, err := net.SplitHostPort(a.String()); err == nil {
			s.reach[t] = net.JoinHostPort(host, port)
		}
	}
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
		if host, _, err := net.SplitHostPort(s.cfg.Advertise); err == nil && strings.EqualFold(host, string(u.Host)) {
			return true
		}
		return s.guard.Mine(u.Host)
	}
	addr, ok := u.AddrPort()
	return ok && slices.ContainsFunc(s.served, func(a netip.AddrPort) bool {
		return a.Port() == addr.Port() && (a.Addr().IsUnspecified() || a.Addr() == addr.Addr())
	})
}
