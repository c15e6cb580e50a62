package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

const (
	// thawWithin is how long a node may take to go on, or to end, when its disk answers.
	thawWithin = 10 * time.Second
	// stopsWithin is how long a node may take to close its ports when it is told to stop.
	stopsWithin = 5 * time.Second
)

// frozenDisk has the disk of a node that doesn't lead not answer. It needs data
// directories on file systems that can be frozen.
func frozenDisk(ctx context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	leader := a.Leader(ctx)
	nodes := slices.DeleteFunc(a.pick(r, len(a.Cluster.Nodes())), func(n *cluster.Node) bool { return n == leader })
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	return a.freezing(nodes[0])
}

func frozenDiskLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	n := a.Leader(ctx)
	if n == nil {
		return nil, ErrBusy
	}
	return a.freezing(n)
}

// frozenDisks has all of them not answer, one after the other.
func frozenDisks(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	return a.freezing(a.pick(r, len(a.Cluster.Nodes()))...)
}

// frozenDiskStop tells a node to stop while its disk does not answer: its ports are
// closed soon, and what it took meanwhile may be lost, as with a full disk.
func frozenDiskStop(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	strikes, err := a.freezing(a.pick(r, 1)...)
	for i := range strikes {
		s, n := &strikes[i], strikes[i].nodes[0]
		s.Params += ", stopped"
		s.Effect.Full = names(n)
		s.heal = func(ctx context.Context) error { return a.stopFrozen(ctx, n) }
	}
	return strikes, err
}

// stopFrozen stops a node whose disk does not answer, and starts it when that does.
func (a *Arena) stopFrozen(ctx context.Context, n *cluster.Node) error {
	return a.Play(ctx, Strike{
		Nemesis: "stop", Params: n.Name(), Effect: history.Effect{Down: names(n)},
		inject: func(context.Context) error {
			a.end(n)
			a.life(n, history.Stopping)
			return n.Terminate()
		},
		confirm: func(ctx context.Context) error {
			_, err := cluster.Eventually(ctx, stopsWithin, "node "+n.Name()+" closes its ports", n.Closed)
			return err
		},
		heal: func(ctx context.Context) error {
			if err := n.Freeze(false); err != nil {
				return err
			}
			ended, _ := n.Exited()
			if _, err := cluster.Eventually(ctx, thawWithin, "the process of "+n.Name()+" ends", func(context.Context) error {
				select {
				case <-ended:
					return nil
				default:
					return errors.New("it runs")
				}
			}); err != nil {
				return err
			}
			a.Record.Life(history.Life{Node: n.Name(), Kind: history.Exited})
			return a.Start(ctx, n)
		},
		healed: nothing,
	})
}

// freezing are strikes that freeze the disks of nodes in turn.
func (a *Arena) freezing(nodes ...*cluster.Node) (all []Strike, err error) {
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	for _, n := range nodes {
		all = append(all, Strike{
			Params: n.Name(), Effect: history.Effect{Frozen: names(n)}, nodes: []*cluster.Node{n},
			inject: func(context.Context) error { return n.Freeze(true) },
			confirm: func(ctx context.Context) error {
				if n.TouchDisk(ctx) == nil {
					return fmt.Errorf("the disk of %s answers", n.Name())
				}
				return nil
			},
			heal:   func(context.Context) error { return n.Freeze(false) },
			healed: func(ctx context.Context) error { return a.thawed(ctx, n) },
		})
	}
	return all, nil
}

// thawed waits until the node goes on by itself.
func (a *Arena) thawed(ctx context.Context, n *cluster.Node) error {
	_, err := cluster.Eventually(ctx, thawWithin, "node "+n.Name()+" goes on with its disk", func(ctx context.Context) error {
		if err := n.TouchDisk(ctx); err != nil {
			return err
		}
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		for _, p := range s.GetProblems() {
			if p.GetCode() == "disk-stalled" {
				return errors.New(p.GetText())
			}
		}
		if r := s.GetRaft(); !r.GetQuorum() || r.GetState() == "failed" {
			return fmt.Errorf("raft: %v", r)
		}
		return nil
	})
	return err
}
