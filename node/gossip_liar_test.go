package node

import (
	"context"
	"math"
	"testing"

	"github.com/sipcluster/sipcluster/membership"
)

// gossipLies: whoever has the key of the gossip says in the name of n3 that it is
// elsewhere, that it is another one, and that it has left. Nobody loses it.
func gossipLies(t *testing.T, all []*member) {
	a, c, before := all[0], all[2], losses(all)
	elsewhere := ownIP() + ":7003"
	g, err := membership.New(membership.Config{
		ID: membership.NodeID(c.id.ID), Bind: elsewhere, Cluster: a.id.ClusterID, Keys: gossipKeys(a.machine.View().Security()),
		Incarnation: math.MaxInt64, ClusterAddr: elsewhere, Log: a.Node.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	g.SetPeers(map[membership.NodeID]string{membership.NodeID(a.id.ID): a.cfg.GossipAddr})
	await(t, "the liar is in the gossip", func() bool {
		alive, known := g.Alive(membership.NodeID(a.id.ID))
		return alive && known
	})
	stop() // with a farewell in n3's name
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	hear(t, all...)
	if now := losses(all); now != before {
		t.Errorf("%d losses", now-before)
	}
}
