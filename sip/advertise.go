package sip

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// advertised is the host:port of our Vias and Record-Routes.
func (s *Server) advertised() string {
	switch {
	case s.cfg.Advertise != "":
		return s.cfg.Advertise
	case s.udp != nil:
		return s.UDPAddr().String()
	}
	if len(s.tcp) > 0 {
		return s.tcp[0].Addr().String()
	}
	return "localhost"
}

// advertise finds out by which host:port phones of each transport reach us.
// Nodes go by the token in front of it.
func (s *Server) advertise() {
	s.via = s.advertised()
	host, _, err := net.SplitHostPort(s.via)
	for t := range s.routes {
		s.routes[t] = s.via
		for _, l := range s.tcp {
			if err == nil && int(l.transport) == t {
				if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
					s.routes[t] = net.JoinHostPort(host, port)
				}
			}
		}
	}
}

// names tells whether a URI without a token leads to this node: by the names
// of the cluster, or by an address that is served here.
func (s *Server) names(u *message.URI) bool {
	if !isIP(u.Host) {
		if host, _, err := net.SplitHostPort(s.cfg.Advertise); err == nil && strings.EqualFold(host, string(u.Host)) {
			return true
		}
		return s.registrar.served(u.Host, s.cfg.Machine.View().Options().GetRealm())
	}
	addr, ok := uriAddr(u)
	if !ok {
		return false
	}
	if a, err := netip.ParseAddrPort(s.cfg.Advertise); err == nil && a == addr {
		return true
	}
	for t := location.UDP; t <= location.WSS; t++ {
		a := s.Addr(t)
		if a == nil {
			continue
		}
		if own, err := netip.ParseAddrPort(a.String()); err == nil && own.Port() == addr.Port() &&
			(own.Addr().IsUnspecified() || own.Addr().Unmap() == addr.Addr()) {
			return true
		}
	}
	return false
}

// uriAddr is the address of a URI whose host is one.
func uriAddr(u *message.URI) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(string(bytes.Trim(u.Host, "[]")))
	if err != nil {
		return netip.AddrPort{}, false
	}
	port := uint64(5060)
	if len(u.Port) > 0 {
		port, err = strconv.ParseUint(string(u.Port), 10, 16)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), err == nil
}
