package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// DiskSize is the size of a node's file system in a run with full disks, in bytes.
const DiskSize = 64 << 20

// fullDisk fills the disk of a node. After the heal the node is started anew:
// what could not be written for a while parks its configuration plane. It
// needs data directories on file systems of their own.
func fullDisk(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	return a.filling(nodes[0])
}

func fullDiskLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	n := a.Leader(ctx)
	if n == nil {
		return nil, ErrBusy
	}
	return a.filling(n)
}

// filling is a strike that fills the disk of a node.
func (a *Arena) filling(n *cluster.Node) ([]Strike, error) {
	nodes := []*cluster.Node{n}
	if err := a.claim(n); err != nil {
		return nil, err
	}
	ballast := filepath.Join(n.DataDir(), "ballast")
	do := n.Place().Do
	return one(Strike{
		Params: n.Name(), Effect: history.Effect{Full: names(n)}, nodes: nodes,
		inject:  func(context.Context) error { return do(func() error { return fill(ballast, DiskSize) }) },
		confirm: func(context.Context) error { return do(func() error { return full(ballast) }) },
		heal: func(ctx context.Context) error {
			if err := do(func() error { return os.Remove(ballast) }); err != nil {
				return err
			}
			return a.restart(ctx, n)
		},
		healed: nothing,
	})
}

// restart kills and starts a node as a fault of its own within another one.
func (a *Arena) restart(ctx context.Context, n *cluster.Node) error {
	return a.restartAfter(ctx, n, func() error { return nil })
}

// restartAfter is restart with something to do while the node is down.
func (a *Arena) restartAfter(ctx context.Context, n *cluster.Node, do func() error) error {
	return a.Play(ctx, Strike{
		Nemesis: "restart", Params: n.Name(), Effect: history.Effect{Down: names(n)},
		inject:  func(context.Context) error { a.kill(n); return nil },
		confirm: func(context.Context) error { return gone([]*cluster.Node{n}) },
		heal: func(ctx context.Context) error {
			if err := do(); err != nil {
				return err
			}
			return a.Start(ctx, n)
		},
		healed: nothing,
	})
}

// fill writes a file until the disk has no room left; more than most means
// that the disk is not the small one.
func fill(path string, most int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	written := 0
	for _, size := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil && written <= most; {
			var n int
			n, err = f.Write(make([]byte, size))
			written += n
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return errors.Join(fmt.Errorf("%d bytes did not fill the disk", written), err, f.Close(), os.Remove(path))
		}
	}
	return f.Close()
}

// full is nil when not a byte more fits.
func full(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	} else if err == nil {
		err = errors.New("there is room on the disk")
	}
	return errors.Join(err, f.Close())
}

// lostDisk kills a node and takes its disk; the operator removes the node from
// the roster and it comes back as a new one.
func lostDisk(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, len(a.Cluster.Nodes()))
	// The first node bootstraps: without data it would found a cluster of its own.
	nodes = slices.DeleteFunc(nodes, func(n *cluster.Node) bool { return n == a.Cluster.Node(1) })
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
		inject: func(context.Context) error {
			a.kill(n)
			return wipe(n)
		},
		confirm: func(context.Context) error { return gone(nodes) },
		heal: func(ctx context.Context) error {
			if err := a.removeNode(ctx, n); err != nil {
				return err
			}
			return a.joinAgain(ctx, n)
		},
		healed: nothing,
	})
}

// lostLocation kills a node and takes its store of bindings; the node comes
// back as itself and knows of no registration.
func lostLocation(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	strikes, err := a.killing(nodes...)
	if err != nil {
		return nil, err
	}
	s, n := &strikes[0], nodes[0]
	s.Effect.Wiped = names(n)
	kill := s.inject
	s.inject = func(ctx context.Context) error {
		return errors.Join(kill(ctx), os.RemoveAll(filepath.Join(n.DataDir(), "location")))
	}
	return strikes, nil
}

// fullDiskKill fills the disk of a node and kills the node: at once, as a crash
// of a machine without room may, or after there was room again for longer than
// the store of bindings waits until it goes on.
func fullDiskKill(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 1)
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	strikes, err := a.filling(nodes[0])
	if err != nil {
		return nil, err
	}
	s, n := &strikes[0], nodes[0]
	empty := func() error {
		return n.Place().Do(func() error { return os.Remove(filepath.Join(n.DataDir(), "ballast")) })
	}
	if r.IntN(2) == 0 {
		s.Params += ", killed while it is full"
		s.heal = func(ctx context.Context) error { return a.restartAfter(ctx, n, empty) }
		return strikes, nil
	}
	s.Params += ", killed some time after"
	s.heal = func(ctx context.Context) error {
		if err := empty(); err != nil {
			return err
		}
		wait(ctx, goesOn)
		return a.restart(ctx, n)
	}
	return strikes, nil
}

// goesOn is how long after a full disk a node has surely tried again to bring its
// stores in order.
const goesOn = 13 * time.Second
