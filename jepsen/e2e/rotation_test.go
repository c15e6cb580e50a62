package e2e_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// cutFor is how long a cut in the middle of a rotation lasts: JEPSEN_CUT, as 10m.
func cutFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("JEPSEN_CUT")
	if text == "" {
		return 6 * time.Second
	}
	d, err := time.ParseDuration(text)
	must(t, err)
	return d
}

func rotationsUnnoticed(t *testing.T, c *cluster.Cluster) {
	s := sides(t, c, 7600)
	all := c.Rotations(c.Nodes()...)
	for _, r := range all {
		must(t, r.Begin(t.Context(), c.Nodes()...))
	}
	changed(t, all, c)
	for i := range s {
		s[i].goesOn(t)
		for _, other := range s {
			s[i].watch.expectSilence(t, other.phones...)
		}
	}
}

// changed waits until the rotations are over everywhere.
func changed(t *testing.T, all []*cluster.Rotation, c *cluster.Cluster) {
	t.Helper()
	began := time.Now()
	for _, r := range all {
		_, err := r.Wait(t.Context(), cluster.RotationOver, c.Nodes()...)
		must(t, err)
		t.Logf("%s changed within %v", r.What, time.Since(began).Round(100*time.Millisecond))
	}
	cli(t, c.Node(1), 0, "whoami") // so the user's context learns the new authority by the old one
}

func rotationsCut(t *testing.T, c *cluster.Cluster) {
	for name, cut := range map[string]func(leads bool) bool{
		"a follower": func(leads bool) bool { return !leads },
		"the leader": func(leads bool) bool { return leads },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.WaitWhole(t.Context(), afterCut)
			must(t, err)
			at := slices.IndexFunc(c.Nodes(), func(n *cluster.Node) bool {
				s, err := n.Status(t.Context())
				return err == nil && cut(s.GetRaft().GetState() == "leader")
			})
			all := c.Rotations(c.Nodes()...)
			for _, r := range all {
				must(t, r.Begin(t.Context(), c.Nodes()...))
			}
			must(t, c.CutOff(t.Context(), c.Nodes()[at]))
			hold(t, cutFor(t))
			must(t, c.Heal(t.Context()))
			_, err = c.WaitWhole(t.Context(), afterCut)
			must(t, err)
			changed(t, all, c)
		})
	}
}

// hold lets a cut last: its length is what is tested.
func hold(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// distrusted: what one node was told while it was cut off is so everywhere after the heal.
func distrusted(t *testing.T, c *cluster.Cluster) {
	guest, err := c.AddNode(t.Context())
	must(t, err)
	must(t, guest.Start(t.Context()))
	_, err = c.WaitWhole(t.Context(), afterCut)
	must(t, err)
	onRoster := func(ctx context.Context) (bool, error) {
		l, err := c.Node(1).Configuration().ListNodes(ctx, &configpb.ListNodesRequest{})
		return slices.ContainsFunc(l.GetNodes(), func(n *configpb.Node) bool { return n.GetName() == guest.Name() }), err
	}
	must(t, c.CutOff(t.Context(), c.Node(2)))
	cli(t, c.Node(2), 0, "node", "distrust", guest.Name(), "--here")
	if there, err := onRoster(t.Context()); err != nil || !there {
		t.Fatalf("a node without a quorum took it off the roster: %v", err)
	}
	ended, _ := guest.Exited()
	must(t, c.Heal(t.Context()))
	eventually(t, 3*soon, "it is off the roster", func(ctx context.Context) error {
		if there, err := onRoster(ctx); err != nil || there {
			return errors.Join(err, errNotYet)
		}
		return nil
	})
	eventually(t, 2*soon, "its process ends by itself", func(context.Context) error {
		select {
		case <-ended:
			return nil
		default:
			return errNotYet
		}
	})
	_, err = c.WaitWhole(t.Context(), afterCut)
	must(t, err)
}
