package sip

import (
	"context"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Called is what an INVITE would call by a text, as proxy.Proxy.Called; not without calls.
func (s *Server) Called(ctx context.Context, from dn.Number, text string) (called string, secure bool, f *message.Fault, err error) {
	if s.proxy == nil {
		return text, false, nil, nil
	}
	return s.proxy.Called(ctx, from, text)
}

// Caller is the number that a text shows, as proxy.Proxy.Caller.
func (s *Server) Caller(text string) (string, error) {
	if s.proxy == nil {
		return text, nil
	}
	return s.proxy.Caller(text)
}

// OutOfReach tells why this node has no way to addresses of a trunk, and whether those are
// all that it has.
func (s *Server) OutOfReach(n dn.Number) (why []string, all bool) {
	if s.proxy == nil {
		return nil, false
	}
	return s.proxy.OutOfReach(n)
}

// LeavesByTLS tells whether a trunk has an address to which sips goes.
func (s *Server) LeavesByTLS(n dn.Number) bool { return s.proxy != nil && s.proxy.LeavesByTLS(n) }

// RingsByTLS tells whether a phone of a DN is registered here to which sips goes.
func (s *Server) RingsByTLS(n dn.Number) bool { return s.proxy != nil && s.proxy.RingsByTLS(n) }
