package node

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
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
	hello := r.GetHello()
	if !ok || hello == nil {
		return nil
	}
	id, _ := identity.PeerOf(s.Context())
	if id == "" || id == hello.GetFollower() {
		return s.n.admitFollower(s.Context(), hello)
	}
	return s.n.liar(id)
}

// liar refuses a node that spoke in the name of another one.
func (n *Node) liar(id string) error {
	n.events.Event(security.IdentityRefused, "peer", id, "why", "it spoke in the name of another node")
	return status.Error(codes.PermissionDenied, "this connection is another node's: a node speaks for itself")
}

// holdsForItself refuses requests about reservations of another node's sessions and calls.
func (n *Node) holdsForItself(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	id, _ := identity.PeerOf(ctx)
	if id == "" {
		return next(ctx, req)
	}
	var holders []string
	switch r := req.(type) {
	case *peerpb.ReserveRequest:
		if holders = append(holders, r.GetHolder()); r.GetInsteadOf() != "" {
			holders = append(holders, r.GetInsteadOf())
		}
	case *peerpb.RenewRequest:
		for _, l := range slices.Concat(r.GetWanted(), r.GetGivenBack()) {
			holders = append(holders, l.GetHolder())
		}
	}
	for _, h := range holders {
		if agent.NodeOf(h) != dn.Node(id) {
			return nil, n.liar(id)
		}
	}
	return next(ctx, req)
}

// admitFollower refuses the link of a second process of a node.
func (n *Node) admitFollower(ctx context.Context, hello *peerpb.FollowHello) error {
	entry := n.machine.View().Node(hello.GetFollower())
	if entry == nil || hello.GetClusterId() != n.lineage() {
		return nil // who is no member hears so of the link itself
	}
	return n.admit(ctx, &peerpb.Presence{Node: &configpb.Node{Id: entry.GetId()}, Instance: hello.GetInstance(), UpMs: hello.GetUpMs()}, entry)
}
