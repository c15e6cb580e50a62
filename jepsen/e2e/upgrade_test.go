package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/broken"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// Nodes get, one by one, a program that knows one feature level more, and one of them
// gets the former one back: while that goes on writes succeed, and all have the same
// state. The level rises when the last one has it. A node that is taken back behind that
// applies nothing, says so, and serves its phones.
func TestUpgrade_NodeByNodeAndBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3}, false)
	next, err := broken.Next(nil).Build(t.TempDir())
	must(t, err)
	must(t, c.Start(t.Context()))
	known := raftOf(t, c.Node(1)).GetFeatureKnown()
	eventually(t, soon, "a cluster of equal programs has their level", func(ctx context.Context) error { return level(ctx, c, known) })
	ph := phones(t, c.Node(3), "5501", "5502")
	w := &writer{c: c}
	for _, step := range []struct {
		node    int
		program string
	}{{3, next}, {2, next}, {2, ""}, {2, next}} {
		replace(t, c, c.Node(step.node), step.program)
		w.write(t)
		must(t, level(t.Context(), c, known))
	}
	replace(t, c, c.Node(1), next)
	eventually(t, soon, "the level rises", func(ctx context.Context) error { return level(ctx, c, known+1) })
	w.write(t)
	eventually(t, soon, "equal states", func(ctx context.Context) error { return equalStates(ctx, c.Nodes()) })

	n := c.Node(3)
	must(t, n.Stop(starting))
	n.Use("")
	must(t, n.Start(t.Context()))
	eventually(t, soon, "the node says that it applies nothing", func(ctx context.Context) error {
		s, err := n.Status(ctx)
		if err == nil && (s.GetRaft().GetParked() == "" || len(s.GetProblems()) == 0) {
			err = errors.New("it says nothing")
		}
		return err
	})
	register(t, n, ph...)
	expectSeen(t, soon, inServiceAt(n), ph, c.Nodes()...)
	cli(t, c.Node(1), 0, "dn", "put", "5699", "--kind", "pstn", "--external", "+15550005699")
	replace(t, c, n, next)
	eventually(t, soon, "equal states", func(ctx context.Context) error { return equalStates(ctx, c.Nodes()) })
}

// replace stops a node in good order and starts it with another program.
func replace(t *testing.T, c *cluster.Cluster, n *cluster.Node, program string) {
	t.Helper()
	must(t, n.Stop(starting))
	n.Use(program)
	must(t, n.Start(t.Context()))
	_, err := c.WaitWhole(t.Context(), starting)
	must(t, err)
}

// writer writes at each node in turn.
type writer struct {
	c    *cluster.Cluster
	last int
}

func (w *writer) write(t *testing.T) {
	t.Helper()
	for _, n := range w.c.Nodes() {
		w.last++
		number := fmt.Sprint(5600 + w.last)
		cli(t, n, 0, "dn", "put", number, "--kind", "pstn", "--external", "+1555000"+number)
	}
}

func raftOf(t *testing.T, n *cluster.Node) *tcpb.RaftStatus {
	t.Helper()
	s, err := n.Status(t.Context())
	must(t, err)
	return s.GetRaft()
}

// level is nil when all nodes have that feature level.
func level(ctx context.Context, c *cluster.Cluster, want uint32) error {
	for _, n := range c.Nodes() {
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if have := s.GetRaft().GetFeatureLevel(); have != want {
			return fmt.Errorf("%s has level %d, want %d", n.Name(), have, want)
		}
	}
	return nil
}

// equalStates is nil when all nodes have the same state at the same index.
func equalStates(ctx context.Context, nodes []*cluster.Node) error {
	var first *tcpb.RaftStatus
	for _, n := range nodes {
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		r := s.GetRaft()
		if first == nil {
			first = r
		}
		if r.GetDigestIndex() != first.GetDigestIndex() || r.GetDigest() != first.GetDigest() {
			return fmt.Errorf("%s is at %d with %s, another one at %d with %s", n.Name(), r.GetDigestIndex(), r.GetDigest(), first.GetDigestIndex(), first.GetDigest())
		}
	}
	return nil
}
