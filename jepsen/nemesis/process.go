package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Start starts a node, with further arguments, and waits until it answers.
func (a *Arena) Start(ctx context.Context, n *cluster.Node, args ...string) error {
	a.life(n, history.Launched)
	if err := n.Launch(args...); err != nil {
		return err
	}
	a.guard(n)
	if err := n.WaitReady(ctx); err != nil {
		return err
	}
	a.life(n, history.Ready)
	return nil
}

// guard records an end of the node's process that nobody asked for.
func (a *Arena) guard(n *cluster.Node) {
	ended, code := n.Exited()
	go func() {
		<-ended
		if !a.ended(ended) {
			a.Record.Life(history.Life{Node: n.Name(), Kind: history.Exited, Error: fmt.Sprintf("exit code %d", code())})
			a.Say("%s ended by itself, exit code %d", n.Name(), code())
		}
	}()
}

// end notes that somebody ends the node's process.
func (a *Arena) end(n *cluster.Node) {
	if n.PID() == 0 {
		return
	}
	ended, _ := n.Exited()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending == nil {
		a.ending = map[<-chan struct{}]bool{}
	}
	a.ending[ended] = true
}

func (a *Arena) ended(process <-chan struct{}) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ending[process] || a.closed
}

func (a *Arena) life(n *cluster.Node, k history.LifeKind) {
	a.Record.Life(history.Life{Node: n.Name(), Kind: k, PID: n.PID()})
}

// kill sends kill -9 to all of the nodes before it waits for their ends.
func (a *Arena) kill(nodes ...*cluster.Node) {
	for _, n := range nodes {
		a.end(n)
		a.life(n, history.Killed)
	}
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			n.Kill9()
			a.life(n, history.Exited)
		})
	}
	all.Wait()
}

// stop ends a node in good order.
func (a *Arena) stop(n *cluster.Node) error {
	a.end(n)
	a.life(n, history.Stopping)
	err := n.Stop(15 * time.Second)
	l := history.Life{Node: n.Name(), Kind: history.Exited}
	if err != nil {
		l.Error = err.Error()
	}
	a.Record.Life(l)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNotHealed, err)
	}
	return err
}

// startAll starts the nodes, all at once.
func (a *Arena) startAll(ctx context.Context, nodes []*cluster.Node) error {
	errs := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() { errs <- a.Start(ctx, n) }()
	}
	var first error
	for range nodes {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// killing is a strike that kills nodes and starts them again.
func (a *Arena) killing(nodes ...*cluster.Node) ([]Strike, error) {
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	return one(Strike{
		Params: list(nodes), Effect: history.Effect{Down: names(nodes...)}, nodes: nodes,
		inject: func(context.Context) error {
			a.kill(nodes...)
			return nil
		},
		confirm: func(context.Context) error { return gone(nodes) },
		heal:    func(ctx context.Context) error { return a.startAll(ctx, nodes) },
		healed:  nothing,
	})
}

func gone(nodes []*cluster.Node) error {
	for _, n := range nodes {
		if n.Running() {
			return fmt.Errorf("%s runs", n.Name())
		}
	}
	return nil
}

func nothing(context.Context) error { return nil }

func kill(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	return a.killing(nodes...)
}

func killLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	n := a.Leader(ctx)
	if n == nil {
		return nil, ErrBusy
	}
	return a.killing(n)
}

func killAll(_ context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	return a.killing(a.members()...)
}

// pausing is a strike that stops a process as it stands.
func (a *Arena) pausing(n *cluster.Node) ([]Strike, error) {
	if err := a.claim(n); err != nil {
		return nil, err
	}
	pid := n.PID()
	return one(Strike{
		Params: n.Name(), Effect: history.Effect{Paused: names(n)}, nodes: []*cluster.Node{n},
		inject: func(context.Context) error {
			a.life(n, history.Stopped)
			return n.Pause()
		},
		confirm: func(ctx context.Context) error { return stoppedState(ctx, pid, true) },
		heal: func(context.Context) error {
			a.life(n, history.Resumed)
			return n.Resume()
		},
		healed: func(ctx context.Context) error {
			if err := stoppedState(ctx, pid, false); err != nil {
				return err
			}
			return n.WaitReady(ctx)
		},
	})
}

func pause(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	return a.pausing(nodes[0])
}

func pauseLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	n := a.Leader(ctx)
	if n == nil {
		return nil, ErrBusy
	}
	return a.pausing(n)
}

// stoppedState waits until the kernel says that the process is stopped, or is not.
func stoppedState(ctx context.Context, pid int, want bool) error {
	_, err := cluster.Eventually(ctx, time.Second, "the process changes its state", func(context.Context) error {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if is := strings.HasPrefix(rest, "T"); is != want {
			return fmt.Errorf("process %d: %.1s", pid, rest)
		}
		return nil
	})
	return err
}

// rolling restarts all nodes in good order, one after the other.
func rolling(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	var all []Strike
	for _, n := range nodes {
		all = append(all, Strike{
			Params: n.Name(), Effect: history.Effect{Down: names(n)}, nodes: []*cluster.Node{n}, brief: true,
			inject:  func(context.Context) error { return a.stop(n) },
			confirm: func(context.Context) error { return gone([]*cluster.Node{n}) },
			heal:    func(ctx context.Context) error { return a.Start(ctx, n) },
			healed: func(ctx context.Context) error {
				_, err := a.Cluster.WaitWhole(ctx, 20*time.Second)
				return err
			},
		})
	}
	return all, nil
}

// pick returns up to so many nodes whose processes nobody has in its hands.
func (a *Arena) pick(r *rand.Rand, count int) []*cluster.Node {
	nodes := a.running()
	nodes = slices.DeleteFunc(nodes, func(n *cluster.Node) bool { return !slices.Contains(a.members(), n) })
	r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes[:min(count, len(nodes))]
}
