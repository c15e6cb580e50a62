package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// leadsWithin is when another node leads than one whose disk does not answer: 5 s on a
// machine that does nothing else.
const leadsWithin = patience.Limit

// The disk of the leader stops answering: its phones register, another node leads, status
// names the stores. It goes on by itself when the disk does.
func TestDisk_FrozenHoldsUpNobody(t *testing.T) {
	c := newCluster(t, cluster.Config{Nodes: 3}, false)
	freezable(t, c)
	must(t, c.Start(t.Context()))
	eventually(t, starting, "all nodes vote", func(ctx context.Context) error { return allVote(ctx, c) })
	n, other := leaderOf(t, c)
	ph := phones(t, n, "5401", "5402", "5403", "5404")
	register(t, n, ph[:2]...)
	expectSeen(t, soon, inServiceAt(n), ph[:2], c.Nodes()...)

	must(t, n.Freeze(true))
	eventually(t, leadsWithin, "another node leads and takes a write", func(ctx context.Context) error {
		try, cancel := context.WithTimeout(ctx, leadsWithin/4)
		defer cancel()
		_, err := other.Configuration().Write(try, &configpb.WriteRequest{Mutations: []*configpb.Mutation{
			{Op: &configpb.Mutation_PutDn{PutDn: cluster.PSTNDN("5409", "+15550005409")}}}})
		return errors.Join(err, leadsBeside(ctx, c, n))
	})
	register(t, n, ph[2:]...)
	expectSeen(t, soon, inServiceAt(n), ph, c.Nodes()...)
	eventually(t, afterCut, "status names a store", func(ctx context.Context) error { return stalls(ctx, n, true) })

	must(t, n.Freeze(false))
	eventually(t, afterCut, "status names no store", func(ctx context.Context) error { return stalls(ctx, n, false) })
	eventually(t, afterCut, "the node has what was written meanwhile", func(ctx context.Context) error { return knowsDN(ctx, n, "5409") })
}

// freezable puts the data directories on file systems that can be frozen.
func freezable(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if why := lossyfs.Missing(); why != "" {
		skipFor(t, why)
	}
	dir, err := os.MkdirTemp(t.TempDir(), "lossyd")
	must(t, err)
	lossyd, err := lossyfs.Build(dir)
	must(t, err)
	for _, n := range c.Nodes() {
		must(t, n.MountDisk(lossyd))
	}
}

func allVote(ctx context.Context, c *cluster.Cluster) error {
	for _, n := range c.Nodes() {
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if role := s.GetRaft().GetRole(); role != "voter" {
			return fmt.Errorf("%s is a %s", n.Name(), role)
		}
	}
	return nil
}

// leaderOf is the node that leads, and another one.
func leaderOf(t *testing.T, c *cluster.Cluster) (leader, other *cluster.Node) {
	t.Helper()
	eventually(t, soon, "a node leads", func(ctx context.Context) error {
		leader = nil
		for _, n := range c.Nodes() {
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			if s.GetRaft().GetState() == "leader" {
				leader = n
			} else {
				other = n
			}
		}
		if leader == nil {
			return errors.New("none leads")
		}
		return nil
	})
	return leader, other
}

func leadsBeside(ctx context.Context, c *cluster.Cluster, stuck *cluster.Node) error {
	said := ""
	for _, n := range c.Nodes() {
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if n != stuck && s.GetRaft().GetState() == "leader" {
			return nil
		}
		said += fmt.Sprintf(" %s: %s;", n.Name(), s.GetRaft().GetState())
	}
	return errors.New(said)
}

// stalls tells whether status says, since when, that a store's disk does not answer.
func stalls(ctx context.Context, n *cluster.Node, want bool) error {
	s, err := n.Status(ctx)
	if err != nil {
		return err
	}
	for _, p := range s.GetProblems() {
		if p.GetCode() != "disk-stalled" {
			continue
		}
		if !want || p.GetSince() == nil {
			return fmt.Errorf("%v", p)
		}
		return nil
	}
	if want {
		return fmt.Errorf("problems: %v", s.GetProblems())
	}
	return nil
}
