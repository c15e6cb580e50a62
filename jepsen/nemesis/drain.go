package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// drain has one node drain, and take part again.
func drain(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	n := nodes[0]
	ask := func(undo bool) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := cluster.Eventually(ctx, 10*time.Second, "an order to drain "+n.Name(), func(ctx context.Context) error {
				_, err := n.Cluster().DrainNode(ctx, &tcpb.DrainNodeRequest{Name: n.Name(), Undo: undo})
				return err
			})
			return err
		}
	}
	drains := func(want bool) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := cluster.Eventually(ctx, 10*time.Second, "whether "+n.Name()+" drains", func(ctx context.Context) error {
				s, err := n.Status(ctx)
				if err == nil && s.GetDraining() != want {
					err = fmt.Errorf("it drains: %v", s.GetDraining())
				}
				return err
			})
			return err
		}
	}
	return one(Strike{
		Params: n.Name(), Effect: history.Effect{Drained: names(n)}, nodes: nodes,
		inject: ask(false), confirm: drains(true), heal: ask(true), healed: drains(false),
	})
}
