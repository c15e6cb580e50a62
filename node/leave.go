package node

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/consensus"
)

// handOverTime bounds how long a node that is to stop takes part, for another one to
// lead the configuration.
const handOverTime = time.Second

// leaving returns a context that ends when the given one does, at a leader once
// another node leads.
func (n *Node) leaving(asked context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(asked))
	stop := context.AfterFunc(asked, func() {
		defer cancel()
		if group := n.leads.Load(); group != nil {
			n.handOver(ctx, group)
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

func (n *Node) handOver(ctx context.Context, group *consensus.Group) {
	if group.Status().State != "leader" || len(n.machine.View().Nodes()) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	began := time.Now()
	if err := group.HandOver(ctx); err != nil {
		n.log.Warn("this node stops without having handed the lead over", "err", err)
		return
	}
	n.log.Info("handed the lead over", "to", group.Status().LeaderName, "ms", time.Since(began).Milliseconds())
}
