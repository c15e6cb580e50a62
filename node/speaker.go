package node

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// speaksForItself refuses a stream by which a node speaks in the name of another.
func (n *Node) speaksForItself(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, speaker{ss, n})
}

type speaker struct {
	grpc.ServerStream
	n *Node
}

func (s speaker) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	r, ok := m.(*peerpb.FollowRequest)
	id, _ := identity.PeerOf(s.Context())
	if !ok || r.GetHello() == nil || id == "" || id == r.GetHello().GetFollower() {
		return nil
	}
	s.n.events.Event(security.IdentityRefused, "peer", id, "why", "it spoke in the name of another node")
	return status.Error(codes.PermissionDenied, "this connection is another node's: a node speaks for itself")
}
