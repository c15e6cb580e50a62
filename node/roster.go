package node

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// insecureCredentials: clusterPort.dial has secured the connection where the
// cluster has a key.
var insecureCredentials = insecure.NewCredentials()

// followRoster tells the availability plane who belongs to the cluster. It
// ends with ErrRemoved when this node does no more.
func (n *Node) followRoster(ctx context.Context) error {
	w := n.machine.Watch()
	defer w.Close()
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if !c.All && !c.Nodes {
			continue
		}
		view := n.machine.View()
		if view.Node(n.id.ID) == nil {
			return ErrRemoved
		}
		var peers []tcontroller.Peer
		gossip := map[membership.NodeID]string{}
		for _, node := range view.Nodes() {
			if node.GetId() == n.id.ID {
				continue
			}
			peers = append(peers, tcontroller.Peer{ID: dn.Node(node.GetId()), Name: node.GetName(), Addr: node.GetClusterAddr()})
			gossip[membership.NodeID(node.GetId())] = node.GetGossipAddr()
		}
		n.mesh.SetPeers(peers)
		n.gossip.SetPeers(gossip)
	}
}

// hearGossip passes gossip's word to the judges of the links.
func (n *Node) hearGossip(ctx context.Context) error {
	for {
		members, err := n.gossip.Next(ctx)
		if err != nil {
			return err
		}
		for _, m := range members {
			n.mesh.Gossip(dn.Node(m.ID), m.Alive, m.Incarnation, m.ClusterAddr)
		}
	}
}

// keepFloor has the store remember how far claims went, so that a clock that
// steps back across a restart reuses none.
func (n *Node) keepFloor(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if claim := n.table.MaxClaim(); claim != last {
			last = claim
			n.store.Raise(claim)
			_ = n.store.Flush() // the store says itself when it can't write
		}
	}
}

// setCut has this node send nothing to the named nodes, and everything to the others.
func (n *Node) setCut(ids []dn.Node) {
	var addrs []string
	for _, node := range n.machine.View().Nodes() {
		if slices.Contains(ids, dn.Node(node.GetId())) {
			addrs = append(addrs, node.GetClusterAddr(), node.GetGossipAddr(), node.GetSipAddr())
		}
	}
	n.fabric.set(addrs)
	n.log.Info("links cut by order", "peers", len(ids))
}
