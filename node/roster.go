package node

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// insecureCredentials: clusterPort.dial has secured the connection where the
// cluster has a key.
var insecureCredentials = insecure.NewCredentials()

// followRoster tells the availability plane who belongs to the cluster. It
// ends with ErrRemoved when this node does no more.
func (n *Node) followRoster(ctx context.Context) error {
	changed, done := n.rosterChanges(ctx)
	defer done()
	for {
		view := n.machine.View()
		if view.Node(n.id.ID) == nil {
			return ErrRemoved
		}
		n.keepTold()
		n.directory.Keep(func(id string) bool { return view.Node(id) != nil })
		n.lags.Keep(func(id dn.Node) bool { return view.Node(string(id)) != nil })
		var peers []tcontroller.Peer
		gossip := map[membership.NodeID]string{}
		for _, node := range view.Nodes() {
			if node.GetId() == n.id.ID {
				continue
			}
			node = n.at(node)
			peers = append(peers, tcontroller.Peer{ID: dn.Node(node.GetId()), Name: node.GetName(), Addr: node.GetClusterAddr()})
			gossip[membership.NodeID(node.GetId())] = node.GetGossipAddr()
		}
		n.mesh.SetPeers(peers)
		n.gossip.SetPeers(gossip)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-n.moved:
		}
	}
}

// rosterChanges wakes when the roster does, until done is called or ctx ends.
func (n *Node) rosterChanges(ctx context.Context) (changed wake.Signal, done func()) {
	w, ended := n.machine.Watch(), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	changed = wake.New()
	go func() {
		defer close(ended)
		for {
			c, err := w.Next(ctx)
			if err != nil {
				return
			}
			if c.All || c.Nodes {
				changed.Send()
			}
		}
	}()
	return changed, func() {
		cancel()
		<-ended
		w.Close()
	}
}

// roster tells the publisher's side of the links who may follow, and how recent
// that knowledge is.
func (n *Node) roster(id dn.Node) (member bool, index uint64) {
	view := n.machine.View()
	return view.Node(string(id)) != nil, view.Index()
}

// refused hears from a peer that this node is not on the roster. A peer that
// knows less than this node may not have heard of it yet; one that knows as
// much or more has seen its removal, which this node slept through. A node that never
// was on a roster which it had is only coming in.
func (n *Node) refused(index uint64) {
	view := n.machine.View()
	if index >= view.Index() && (view.Node(n.id.ID) != nil || len(n.id.told()) > 0) {
		n.removedOnce.Do(func() { close(n.removed) })
	}
}

func (n *Node) awaitRemoval(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.removed:
		return ErrRemoved
	}
}

// checkJoin ends a node whose data directory is of another cluster than the
// members that it was told to join. Nobody answering is no error: a member
// starts alone too.
func (n *Node) checkJoin(ctx context.Context) error {
	for _, addr := range n.cfg.Join {
		err := n.askCluster(ctx, addr)
		if status.Code(err) == codes.PermissionDenied {
			return fmt.Errorf("data directory %s and --join %s: %s: give the right --data-dir or --join", n.cfg.DataDir, addr, status.Convert(err).Message())
		}
	}
	return nil
}

func (n *Node) askCluster(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := n.dialGRPC("", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = peerpb.NewConsensusClient(conn).ReadIndex(ctx, &peerpb.ReadIndexRequest{ClusterId: n.lineage()})
	return err
}

const askTimeout = 3 * time.Second

// hearGossip passes gossip's word to the judges of the links.
func (n *Node) hearGossip(ctx context.Context) error {
	for {
		members, err := n.gossip.Next(ctx)
		if err != nil {
			return err
		}
		for _, m := range members {
			incarnation := m.Incarnation
			if n.who != nil {
				incarnation = 0 // whoever has the key of the gossip may have said it: the node's own link says it
			}
			n.mesh.Gossip(dn.Node(m.ID), m.Alive, incarnation, m.ClusterAddr)
		}
	}
}

// keepFloor has the store remember how far claims went, so that a clock that
// steps back across a restart reuses none.
func (n *Node) keepFloor(ctx context.Context) error {
	tick := beat.New(time.Second)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tick.Again()
		}
		if claim := n.table.MaxClaim(); claim != last {
			last = claim
			n.store.Raise(claim)
			_ = n.store.Flush() // the store says itself when it can't write
		}
	}
}
