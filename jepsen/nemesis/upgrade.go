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

const (
	// raisedWithin is how long the feature level may take to rise when all nodes know it.
	raisedWithin = 10 * time.Second
	// parkedWithin is how long a node may take to say that it does not know the level.
	parkedWithin = 5 * time.Second
)

// upgrade replaces the program of a node by the next one or, while some node has the
// former one and the feature level therefore can't have risen, by the former one. When
// all nodes have the next one it takes one back to a program that does not know the level.
func upgrade(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, len(a.Cluster.Nodes()))
	if a.Next == "" || len(nodes) < len(a.members()) {
		return nil, ErrBusy
	}
	older := slices.DeleteFunc(slices.Clone(nodes), func(n *cluster.Node) bool { return a.newer[n] })
	newer := slices.DeleteFunc(slices.Clone(nodes), func(n *cluster.Node) bool { return !a.newer[n] })
	switch {
	case len(older) == 0:
		return a.tooOld(newer[0])
	case len(newer) > 1 && r.IntN(3) == 0:
		return a.replacing(newer[0], false)
	}
	return a.replacing(older[0], true)
}

// replacing stops a node in good order and starts it with the other program.
func (a *Arena) replacing(n *cluster.Node, next bool) ([]Strike, error) {
	if err := a.claim(n); err != nil {
		return nil, err
	}
	what := n.Name() + " back to the former program"
	if next {
		what = n.Name() + " to the next program"
	}
	return one(Strike{
		Params: what, Effect: history.Effect{Down: names(n)}, nodes: []*cluster.Node{n}, brief: true,
		inject:  func(context.Context) error { return a.stop(n) },
		confirm: func(context.Context) error { return gone([]*cluster.Node{n}) },
		heal: func(ctx context.Context) error {
			a.use(n, next)
			return a.Start(ctx, n)
		},
		healed: func(ctx context.Context) error {
			if _, err := a.Cluster.WaitWhole(ctx, 20*time.Second); err != nil || len(a.newer) < len(a.members()) {
				return err
			}
			return a.raised(ctx)
		},
	})
}

// use gives a node that does not run its program.
func (a *Arena) use(n *cluster.Node, next bool) {
	if a.newer == nil {
		a.newer = map[*cluster.Node]bool{}
	}
	if delete(a.newer, n); !next {
		n.Use("")
		return
	}
	a.newer[n] = true
	n.Use(a.Next)
}

// raised waits until the feature level is the one that all programs know.
func (a *Arena) raised(ctx context.Context) error {
	_, err := cluster.Eventually(ctx, raisedWithin, "the feature level rises", func(ctx context.Context) error {
		for _, n := range a.members() {
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			if r := s.GetRaft(); r.GetFeatureLevel() != r.GetFeatureKnown() {
				return fmt.Errorf("%s has level %d, its program knows %d", n.Name(), r.GetFeatureLevel(), r.GetFeatureKnown())
			}
		}
		return nil
	})
	return err
}

// tooOld has a node run a program that does not know the feature level: it serves what
// needs no change of the configuration, says so, and goes on with the program it needs.
func (a *Arena) tooOld(n *cluster.Node) ([]Strike, error) {
	if err := a.claim(n); err != nil {
		return nil, err
	}
	return one(Strike{
		Params: n.Name() + " has a program of a lower level", Effect: history.Effect{Parked: names(n)}, nodes: []*cluster.Node{n},
		inject: func(ctx context.Context) error {
			return a.restartAfter(ctx, n, func() error { a.use(n, false); return nil })
		},
		confirm: func(ctx context.Context) error { return parked(ctx, n, true) },
		heal: func(ctx context.Context) error {
			return a.restartAfter(ctx, n, func() error { a.use(n, true); return nil })
		},
		healed: func(ctx context.Context) error { return parked(ctx, n, false) },
	})
}

// parked waits until the node says that it applies nothing, or that it does.
func parked(ctx context.Context, n *cluster.Node, want bool) error {
	_, err := cluster.Eventually(ctx, parkedWithin, "node "+n.Name()+" says whether it applies the configuration", func(ctx context.Context) error {
		s, err := n.Status(ctx)
		if err == nil && (s.GetRaft().GetParked() != "") != want {
			err = fmt.Errorf("parked: %q", s.GetRaft().GetParked())
		}
		return err
	})
	return err
}
