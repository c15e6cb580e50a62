package nemesis

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// expelWithin is how long a node that has to end by itself may run before it is killed.
const expelWithin = 20 * time.Second

// removedWhileDown takes a node that is down off the roster and starts it as
// if nobody had: it has to end by itself. Then it joins as a new one.
func removedWhileDown(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, len(a.Cluster.Nodes()))
	nodes = slices.DeleteFunc(nodes, func(n *cluster.Node) bool { return n == a.Cluster.Node(1) }) // see lostDisk
	nodes = nodes[:min(1, len(nodes))]
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	n := nodes[0]
	return one(Strike{
		Params: n.Name(), Effect: history.Effect{Down: names(n), Wiped: names(n)}, nodes: nodes,
		inject: func(ctx context.Context) error {
			a.kill(n)
			return a.removeNode(ctx, n)
		},
		confirm: func(context.Context) error { return gone(nodes) },
		heal: func(ctx context.Context) error {
			if err := a.startRemoved(ctx, n); err != nil {
				return err
			}
			if err := wipe(n); err != nil {
				return err
			}
			return a.joinAgain(ctx, n)
		},
		healed: nothing,
	})
}

// startRemoved starts a node that is not on the roster any more and records
// how it ended; the checker judges that.
func (a *Arena) startRemoved(ctx context.Context, n *cluster.Node) error {
	a.life(n, history.Launched)
	if err := n.Launch(); err != nil {
		return err
	}
	a.end(n)
	return a.seeOff(ctx, n)
}
