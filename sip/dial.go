package sip

import (
	"fmt"
	"net"
	"syscall"
	"time"
)

// dialer is what sipgo opens connections with. A response whose connection is
// gone makes sipgo dial whatever address the request's Via named; only nodes
// of the roster and trunks may be dialled.
func (s *Server) dialer(local net.Addr) net.Dialer {
	return net.Dialer{Timeout: 2 * time.Second, LocalAddr: local, Control: func(_, address string, _ syscall.RawConn) error {
		if !s.mayDial(address) {
			return fmt.Errorf("sip: %s is neither a node nor a trunk", address)
		}
		return nil
	}}
}

func (s *Server) mayDial(address string) bool {
	v := s.cfg.Machine.View()
	for _, n := range v.Nodes() {
		if n.GetSipAddr() == address {
			return true
		}
	}
	for d := range v.Trunks() {
		if d.GetTrunk().GetAddress() == address {
			return true
		}
	}
	return false
}
