package api

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

const nodeWatchEvery = time.Second

// WatchNode tells what is still at a node, until the client leaves or the node is
// off the roster.
func (c *Cluster) WatchNode(req *tcpb.WatchNodeRequest, stream grpc.ServerStreamingServer[tcpb.WatchNodeResponse]) error {
	node, err := nodeOf(c.cfg.View(), req.GetName())
	if err != nil {
		return err
	}
	leave, err := c.nodeWatches.take(stream.Context())
	if err != nil {
		return err
	}
	defer leave()
	w := nodeWatch{cluster: c, id: dn.Node(node.GetId()), met: map[dn.Number]struct{}{}}
	t := time.NewTicker(nodeWatchEvery)
	defer t.Stop()
	for {
		if c.cfg.View().Node(node.GetId()) == nil {
			return status.Errorf(codes.NotFound, "node %s was removed", node.GetName())
		}
		if err := stream.Send(w.look()); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-t.C:
		}
	}
}

// nodeWatch is one client's look at a node.
type nodeWatch struct {
	cluster *Cluster
	id      dn.Node
	// met are the DNs that were at the node at some time.
	met map[dn.Number]struct{}
}

func (w *nodeWatch) look() *tcpb.WatchNodeResponse {
	c := &w.cluster.cfg
	node := c.View().Node(string(w.id))
	m := &tcpb.WatchNodeResponse{
		Heard: w.id == c.Table.Self() || c.Table.Heard(w.id), Draining: node.GetDraining(), Calls: uint64(c.Calls(w.id)),
	}
	if end := node.DrainEnd(); !end.IsZero() {
		m.DrainUntil = timestamppb.New(end)
	}
	c.Table.Range("", func(s dn.Status) bool {
		if s.Owner == w.id {
			w.met[s.Number] = struct{}{}
			m.Left++
		} else if _, met := w.met[s.Number]; met && s.State == dn.InSrv {
			m.Moved++
		}
		return true
	})
	return m
}
