package sip

import (
	"crypto/tls"
	"fmt"
	"net"

	"github.com/sipcluster/sipcluster/sip/location"
)

// listen binds all ports.
func (s *Server) listen() error {
	if s.cfg.UDP != "" {
		c, err := s.openUDP()
		if err != nil {
			return err
		}
		s.udp = newDatagrams(c, s.gate, &fast{registrar: s.registrar}, s.stats, s.flush, s.log)
		if s.proxy != nil {
			s.udp.out.refused = s.proxy.noteRefused
		}
	}
	var config *tls.Config
	if s.cfg.TLS != "" || s.cfg.WSS != "" {
		var err error
		if s.certificate, err = openCertificate(s.cfg.CertFile, s.cfg.KeyFile, s.log); err != nil {
			return err
		}
		config = s.certificate.config()
	}
	web := (&upgrader{origins: s.cfg.Origins}).upgrade
	for _, l := range []struct {
		transport location.Transport
		addr      string
		shake     func(net.Conn) (net.Conn, error)
	}{
		{location.TCP, s.cfg.TCP, nil},
		{location.TLS, s.cfg.TLS, secure(config)},
		{location.WS, s.cfg.WS, web},
		{location.WSS, s.cfg.WSS, then(secure(config), web)},
	} {
		if l.addr == "" {
			continue
		}
		if err := s.listenOne(l.transport, l.addr, l.shake); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) listenOne(t location.Transport, addr string, shake func(net.Conn) (net.Conn, error)) error {
	l, err := s.openTCP(addr)
	if err != nil {
		return fmt.Errorf("sip: %s: %w", t, err)
	}
	if shake != nil {
		l = newHandshakes(l, shake, s.log)
	}
	s.tcp = append(s.tcp, &listener{Listener: l, transport: t, gate: s.gate, flows: s.flows,
		slow: wholeMessage, stuck: stuckWrite, ended: s.registrar.flowEnded, bound: s.registrar.bound, log: s.log})
	return nil
}

func (s *Server) openUDP() (wire, error) {
	if s.cfg.Network != nil {
		return openPackets(s.cfg.Network, s.cfg.UDP)
	}
	return openSocket(s.cfg.UDP)
}

func (s *Server) openTCP(addr string) (net.Listener, error) {
	if s.cfg.Network != nil {
		return s.cfg.Network.Listen(addr)
	}
	return net.Listen("tcp", addr)
}

// Addr is the address that a transport is served on; nil when it is not.
func (s *Server) Addr(t location.Transport) net.Addr {
	if t == location.UDP && s.udp != nil {
		return s.udp.LocalAddr()
	}
	for _, l := range s.tcp {
		if l.transport == t {
			return l.Addr()
		}
	}
	return nil
}

// UDPAddr is the address that UDP is served on; nil when it is not.
func (s *Server) UDPAddr() net.Addr { return s.Addr(location.UDP) }

// TCPAddr is the address that TCP is served on; nil when it is not.
func (s *Server) TCPAddr() net.Addr { return s.Addr(location.TCP) }
