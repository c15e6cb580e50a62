package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// members are the nodes that are meant to be in the cluster now.
func (a *Arena) members() []*cluster.Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(a.Cluster.Nodes(), func(n *cluster.Node) bool { return a.out[n] })
}

func (a *Arena) setOut(n *cluster.Node, out bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.out == nil {
		a.out = map[*cluster.Node]bool{}
	}
	a.out[n] = out
}

// SpareFrom says that nodes from this index on join later, by a nemesis.
func (a *Arena) SpareFrom(i int) {
	for _, n := range a.Cluster.Nodes()[i:] {
		a.setOut(n, true)
	}
}

// roster is the operation of an operator.
func (a *Arena) roster(arg string, n, at *cluster.Node, do func() error) error {
	op := a.Record.Invoke(history.Op{Process: "operator", Kind: history.Roster, Node: at.Name(), Key: n.Name(), Arg: arg})
	err := do()
	op.Code, op.Outcome = status.Code(err).String(), history.OK
	if err != nil {
		op.Outcome, op.Error = history.Unknown, err.Error()
	}
	if said, ok := outcome.Said(err); ok && said.Reason == outcome.NotApplied {
		op.Outcome = history.Fail
	}
	a.Record.Return(op)
	return err
}

// removeNode takes a node off the roster, by way of any node that has a quorum.
func (a *Arena) removeNode(ctx context.Context, n *cluster.Node) error {
	_, err := cluster.Eventually(ctx, 60*time.Second, "node "+n.Name()+" is removed", func(ctx context.Context) error {
		for _, at := range a.running() {
			if at == n {
				continue
			}
			err := a.removeBy(ctx, at, n)
			if err == nil {
				return nil
			}
		}
		return fmt.Errorf("no node could remove %s", n.Name())
	})
	return err
}

// removeBy takes a node off the roster by way of another one.
func (a *Arena) removeBy(ctx context.Context, at, n *cluster.Node) error {
	err := a.roster("remove", n, at, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := at.Cluster().RemoveNode(ctx, &tcpb.RemoveNodeRequest{Name: n.Name()})
		return err
	})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

// joinAgain starts a node that has no data of this cluster.
func (a *Arena) joinAgain(ctx context.Context, n *cluster.Node) error {
	return a.roster("join", n, n, func() error { return a.Start(ctx, n) })
}

// join makes a spare node join and, after the hold, takes it off again.
func join(_ context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	all := a.Cluster.Nodes()
	i := slices.IndexFunc(all, func(n *cluster.Node) bool { return !n.Running() && !slices.Contains(a.members(), n) })
	if i < 0 {
		return nil, ErrBusy
	}
	n := all[i]
	if err := a.claim(n); err != nil {
		return nil, err
	}
	return one(Strike{
		Params: n.Name(), nodes: []*cluster.Node{n},
		inject: func(ctx context.Context) error {
			defer a.setOut(n, false)
			return a.joinAgain(ctx, n)
		},
		confirm: func(context.Context) error { return nil },
		heal: func(ctx context.Context) error {
			a.setOut(n, true)
			if err := a.removeNode(ctx, n); err != nil {
				return err
			}
			return a.leave(n)
		},
		healed: nothing,
	})
}

// leave ends the process of a node that was removed and takes its data.
func (a *Arena) leave(n *cluster.Node) error {
	a.kill(n)
	return wipe(n)
}
