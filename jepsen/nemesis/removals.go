package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

func removeFollower(ctx context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	leader := a.Leader(ctx)
	nodes := slices.DeleteFunc(a.pick(r, len(a.members())), func(n *cluster.Node) bool { return n == leader })
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	return a.removing(nodes[:1]...)
}

func removeLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	leader := a.Leader(ctx)
	if leader == nil {
		return nil, ErrBusy
	}
	return a.removing(leader)
}

// removeToOne removes all nodes but one, whose vote is then enough; the last one to go is
// the leader of two as a rule.
func removeToOne(ctx context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	leader := a.Leader(ctx)
	nodes := a.pick(r, len(a.members()))
	i := slices.Index(nodes, leader)
	if i < 0 || len(nodes) < len(a.members()) {
		return nil, ErrBusy
	}
	nodes = append(slices.Delete(nodes, i, i+1), leader)
	return a.removing(nodes[1:]...)
}

// removing takes nodes that serve off the roster one after the other, whatever else goes
// on; afterwards they join as new ones.
func (a *Arena) removing(nodes ...*cluster.Node) ([]Strike, error) {
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	return one(Strike{
		Params: list(nodes), Effect: history.Effect{Down: names(nodes...), Wiped: names(nodes...)}, nodes: nodes,
		inject: func(ctx context.Context) error {
			for _, n := range nodes {
				if err := a.expel(ctx, n); err != nil {
					return err
				}
			}
			return nil
		},
		confirm: func(context.Context) error { return gone(nodes) },
		heal: func(ctx context.Context) error {
			for _, n := range nodes {
				if err := wipe(n); err != nil {
					return err
				}
				if err := a.joinAgain(ctx, n); err != nil {
					return err
				}
			}
			return nil
		},
		healed: nothing,
	})
}

// expel removes a node that runs, and records how it ended; the checker judges that.
func (a *Arena) expel(ctx context.Context, n *cluster.Node) error {
	a.end(n)
	if err := a.removeNode(ctx, n); err != nil {
		return err
	}
	return a.seeOff(ctx, n)
}

// seeOff waits until a node that was removed has ended by itself.
func (a *Arena) seeOff(ctx context.Context, n *cluster.Node) error {
	ended, code := n.Exited()
	timer := time.NewTimer(expelWithin)
	defer timer.Stop()
	select {
	case <-ended:
		why := fmt.Sprintf("exit code %d: %s", code(), n.LogTail(1))
		a.Record.Life(history.Life{Node: n.Name(), Kind: history.Exited, Error: why})
		a.Say("%s ended by itself, %s", n.Name(), why)
	case <-timer.C:
		a.Say("%s still runs %v after its removal", n.Name(), expelWithin)
		a.kill(n)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// stopLeader stops the leader in good order: the others go on as if it had not led.
func stopLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	n := a.Leader(ctx)
	if n == nil {
		return nil, ErrBusy
	}
	strikes, err := a.killing(n)
	if err != nil {
		return nil, err
	}
	strikes[0].inject = func(context.Context) error { return a.stop(n) }
	return strikes, nil
}
