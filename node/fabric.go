package node

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/node/peerpb"
)

// fabricServer is the service by which `sipcluster dev` cuts the fabric; no other
// node has it.
type fabricServer struct {
	peerpb.UnimplementedFabricServer
	n *Node
}

// SetCut has this node send nothing to the named nodes, and everything to the others.
func (s fabricServer) SetCut(_ context.Context, req *peerpb.SetCutRequest) (*peerpb.SetCutResponse, error) {
	var addrs []string
	view := s.n.machine.View()
	for _, name := range req.GetNodes() {
		node := view.NodeByName(name)
		if node == nil {
			return nil, status.Errorf(codes.NotFound, "no node is named %.40q in this cluster", name)
		}
		node = s.n.at(node)
		addrs = append(addrs, node.GetClusterAddr(), node.GetGossipAddr())
	}
	s.n.fabric.Set(addrs)
	s.n.log.Info("links cut by sipcluster dev", "peers", len(req.GetNodes()))
	return &peerpb.SetCutResponse{}, nil
}
