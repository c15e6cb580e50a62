package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// moving is a strike that ends nodes, and starts them elsewhere.
func (a *Arena) moving(r *rand.Rand, to map[*cluster.Node]netip.Addr, nodes ...*cluster.Node) ([]Strike, error) {
	strikes, err := a.killing(nodes...)
	if err != nil {
		return nil, err
	}
	var where []string
	for _, n := range nodes {
		where = append(where, fmt.Sprintf("%s to %v", n.Name(), to[n]))
	}
	s := &strikes[0]
	s.Params, s.Effect.Moved = strings.Join(where, ", "), names(nodes...)
	if r.IntN(2) == 0 {
		s.inject = func(context.Context) error { return a.stopAll(nodes) }
	}
	start := s.heal
	s.heal = func(ctx context.Context) error {
		if err := a.Cluster.Move(ctx, to); err != nil {
			return err
		}
		return start(ctx)
	}
	return strikes, nil
}

// stopAll ends the nodes in good order, all at once.
func (a *Arena) stopAll(nodes []*cluster.Node) error {
	errs := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() { errs <- a.stop(n) }()
	}
	var first error
	for range nodes {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

func moveOne(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	return a.moving(r, map[*cluster.Node]netip.Addr{nodes[0]: a.Cluster.FreeAddrs(1)[0]}, nodes...)
}

func moveAll(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.members()
	to := map[*cluster.Node]netip.Addr{}
	for i, addr := range a.Cluster.FreeAddrs(len(nodes)) {
		to[nodes[i]] = addr
	}
	return a.moving(r, to, nodes...)
}

func swapAddresses(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 2)
	if len(nodes) < 2 {
		return nil, ErrBusy
	}
	return a.moving(r, map[*cluster.Node]netip.Addr{nodes[0]: nodes[1].Inner(), nodes[1]: nodes[0].Inner()}, nodes...)
}

func takeAddress(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 2)
	if len(nodes) < 2 {
		return nil, ErrBusy
	}
	return a.taking(r, nodes[0], nodes[1], func(ctx context.Context, hold time.Duration) error { wait(ctx, hold); return nil })
}

// takeAndCut is the worst that can be made of five nodes and an address: one is dead,
// another answers where it was, and two are cut away, so that nobody reaches three.
func takeAndCut(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 5)
	if len(nodes) < 5 || len(a.members()) != 5 {
		return nil, ErrBusy
	}
	dead, taker, away := nodes[0], nodes[1], nodes[2:4]
	return a.taking(r, dead, taker, func(ctx context.Context, hold time.Duration) error {
		cut := a.cutting(list(away)+" cut away", both(away, []*cluster.Node{taker, nodes[4]}))
		cut.Nemesis, cut.Hold = "take-and-cut", hold
		return a.Play(ctx, cut)
	})
}

// taking kills a node, has another one start with its address, does what is to be done
// then, and starts the dead one with the other's.
func (a *Arena) taking(r *rand.Rand, dead, taker *cluster.Node, then func(context.Context, time.Duration) error) ([]Strike, error) {
	strikes, err := a.killing(dead)
	if err != nil {
		return nil, err
	}
	if err := a.claim(taker); err != nil {
		a.release(dead)
		return nil, err
	}
	s := &strikes[0]
	s.Params = fmt.Sprintf("%s is dead, %s has its address", dead.Name(), taker.Name())
	s.Effect.Moved, s.nodes = names(dead), []*cluster.Node{dead, taker}
	stopped := r.IntN(2) == 0
	s.during = func(ctx context.Context, hold time.Duration) error {
		to := map[*cluster.Node]netip.Addr{dead: taker.Inner(), taker: dead.Inner()}
		if err := a.Play(ctx, a.takes(taker, to, stopped)); err != nil {
			return err
		}
		return then(ctx, hold)
	}
	return strikes, nil
}

// takes starts a node that is somebody else's already elsewhere.
func (a *Arena) takes(n *cluster.Node, to map[*cluster.Node]netip.Addr, inGoodOrder bool) Strike {
	return Strike{
		Nemesis: "move-one", Params: fmt.Sprintf("%s to %v", n.Name(), to[n]), Effect: history.Effect{Down: names(n), Moved: names(n)},
		inject: func(context.Context) error {
			if inGoodOrder {
				return a.stop(n)
			}
			a.kill(n)
			return nil
		},
		confirm: func(context.Context) error { return gone([]*cluster.Node{n}) },
		heal: func(ctx context.Context) error {
			if err := a.Cluster.Move(ctx, to); err != nil {
				return err
			}
			return a.Start(ctx, n)
		},
		healed: nothing,
	}
}

// clone starts a copy of a node beside it; then the node dies, and what was on its disk
// starts elsewhere: that is a restart.
func clone(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	n := nodes[0]
	restart, err := a.moving(r, map[*cluster.Node]netip.Addr{n: a.Cluster.FreeAddrs(1)[0]}, n)
	if err != nil {
		return nil, err
	}
	s := &restart[0]
	move := s.heal
	s.heal = func(ctx context.Context) error {
		other := n.DataDir() + ".copy"
		if err := n.CopyData(ctx, other); err != nil {
			return err
		}
		if err := n.SetData(other); err != nil {
			return err
		}
		return move(ctx)
	}
	second := Strike{
		Params: "a second " + n.Name(), brief: true, confirm: nothing, heal: nothing, healed: nothing,
		inject: func(ctx context.Context) error { return a.second(ctx, n) },
	}
	return slices.Concat([]Strike{second}, restart), nil
}

// second starts a copy of a node that runs, and records what became of it; the checker
// judges that.
func (a *Arena) second(ctx context.Context, n *cluster.Node) error {
	o, err := n.Copy(ctx)
	if err != nil {
		return err
	}
	defer o.Kill9()
	op := a.Record.Invoke(history.Op{
		Process: "operator", Kind: history.Clone, Node: n.Name(), Key: n.Name(), From: n.Addr(cluster.ClusterPort).String(),
	})
	if err := o.Launch(); err != nil {
		return err
	}
	ended, code := o.Exited()
	timer := time.NewTimer(expelWithin)
	defer timer.Stop()
	select {
	case <-ended:
		op.Outcome, op.Code, op.Error = history.Fail, fmt.Sprintf("exit code %d", code()), o.LogTail(1)
	case <-timer.C:
		op.Outcome = history.OK
	case <-ctx.Done():
		return ctx.Err()
	}
	a.Record.Return(op)
	a.Say("a second %s: %s %s", n.Name(), op.Outcome, op.Error)
	return nil
}
