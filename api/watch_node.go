package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
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
	w := newNodeWatch(c, dn.Node(node.GetId()))
	for {
		if c.cfg.View().Node(node.GetId()) == nil {
			return status.Errorf(codes.NotFound, "node %s was removed", node.GetName())
		}
		if err := stream.Send(w.look()); err != nil {
			return err
		}
		if err := w.follow(stream.Context()); err != nil {
			return err
		}
	}
}

// nodeWatch is one client's look at a node.
type nodeWatch struct {
	cluster *Cluster
	id      dn.Node
	// met are the DNs that were at the node at some time, each with whether it is in service
	// at another one now; moved counts those.
	met   map[dn.Number]bool
	moved uint64
	// changes are what is told of all DNs from the begin on.
	changes *dn.Stream
	buf     []dn.Item
}

// newNodeWatch costs what the node has.
func newNodeWatch(c *Cluster, id dn.Node) *nodeWatch {
	w := &nodeWatch{cluster: c, id: id, met: map[dn.Number]bool{}, changes: c.cfg.Table.Tail()}
	c.cfg.Table.OwnedDNs(id, "", func(s dn.Status) bool {
		w.note(&s)
		return true
	})
	return w
}

// note takes what a DN is now.
func (w *nodeWatch) note(s *dn.Status) {
	was, met := w.met[s.Number]
	here := s.Owner == w.id
	if !here && !met {
		return
	}
	is := !here && s.State == dn.InSrv
	w.met[s.Number] = is
	switch {
	case is && !was:
		w.moved++
	case was && !is:
		w.moved--
	}
}

// follow notes what changes until it is time to say so; the error is the context's.
func (w *nodeWatch) follow(ctx context.Context) error {
	turn, cancel := context.WithTimeout(ctx, nodeWatchEvery)
	defer cancel()
	for {
		var err error
		if w.buf, err = w.changes.Next(turn, w.buf[:0]); err != nil {
			return ctx.Err()
		}
		for i := range w.buf {
			if k := w.buf[i].Kind; k == feed.Row || k == feed.Change {
				w.note(&w.buf[i].Status)
			}
		}
	}
}

func (w *nodeWatch) look() *tcpb.WatchNodeResponse {
	c := &w.cluster.cfg
	node := c.View().Node(string(w.id))
	m := &tcpb.WatchNodeResponse{
		Heard: w.id == c.Table.Self() || c.Table.Heard(w.id), Draining: node.GetDraining(), Calls: uint64(c.Calls(w.id)),
		Left: uint64(c.Table.OwnedBy(w.id)), Moved: w.moved,
	}
	if end := node.DrainEnd(); !end.IsZero() {
		m.DrainUntil = timestamppb.New(end)
	}
	return m
}
