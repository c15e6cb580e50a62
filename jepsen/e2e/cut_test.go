package e2e_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// side is one side of a cut: a node, its phones and a watch.
type side struct {
	node   *cluster.Node
	phones []phone
	watch  *observer
}

// sides registers phones at every node and starts to watch them all. The
// numbers are first, first+10, ...
func sides(t *testing.T, c *cluster.Cluster, first int) []side {
	t.Helper()
	var out []side
	for i, n := range c.Nodes() {
		ph := phones(t, n, numbers(first+10*i, 3)...)
		register(t, n, ph...)
		out = append(out, side{node: n, phones: ph})
	}
	for i, s := range out {
		expectSeen(t, soon, inServiceAt(s.node), s.phones, c.Nodes()...)
		out[i].watch = observe(t, s.node)
	}
	return out
}

// loses waits until the side has no more of the others' DNs.
func (s side) loses(t *testing.T, others ...side) {
	t.Helper()
	for _, o := range others {
		s.watch.waitSeen(t, soon, lostWith(o.node), o.phones...)
		expectNow(t, lostWith(o.node), o.phones, s.node)
	}
}

// regains waits until the side has the others' DNs again; each of them must
// have changed exactly twice.
func (s side) regains(t *testing.T, others ...side) {
	t.Helper()
	for _, o := range others {
		s.watch.waitSeen(t, afterCut, inServiceAt(o.node), o.phones...)
		for _, p := range o.phones {
			if told := s.watch.told(p.dn); len(told) != 2 {
				t.Errorf("%s told of DN %s: %q; want out of service, then in service", s.node.Name(), p.dn, told)
			}
		}
	}
}

// goesOn checks that the side's own DNs never left service there, and that
// phones still register.
func (s side) goesOn(t *testing.T) {
	t.Helper()
	register(t, s.node, s.phones...)
	expectNow(t, inServiceAt(s.node), s.phones, s.node)
	s.watch.expectSilence(t, s.phones...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCut_OfOneNodeTakesOnlyTheOtherSidesDNsOutOfService(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 3000)

	must(t, c.CutOff(t.Context(), c.Node(3)))
	s[0].loses(t, s[2])
	s[1].loses(t, s[2])
	s[2].loses(t, s[0], s[1])
	for i := range s {
		s[i].goesOn(t)
	}
	s[0].watch.expectSilence(t, s[1].phones...)
	s[1].watch.expectSilence(t, s[0].phones...)

	must(t, c.Heal(t.Context()))
	s[0].regains(t, s[2])
	s[1].regains(t, s[2])
	s[2].regains(t, s[0], s[1])
	expectEqualTables(t, soon, c.Nodes()...)
	for i := range s {
		s[i].watch.expectSilence(t, s[i].phones...)
	}
}

func TestCut_BetweenTwoOfThreeConcernsOnlyThoseTwo(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 3100)

	must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
	s[0].loses(t, s[1])
	s[1].loses(t, s[0])
	for i := range s {
		s[i].goesOn(t)
	}
	expectNow(t, inServiceAt(c.Node(1)), s[0].phones, c.Node(3))
	expectNow(t, inServiceAt(c.Node(2)), s[1].phones, c.Node(3))

	must(t, c.Heal(t.Context()))
	s[0].regains(t, s[1])
	s[1].regains(t, s[0])
	expectEqualTables(t, soon, c.Nodes()...)
	s[2].watch.expectSilence(t, s[0].phones...)
	s[2].watch.expectSilence(t, s[1].phones...)
}

func TestCut_OneWayHealsToEqualTables(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 3200)

	must(t, c.CutOneWay(t.Context(), c.Node(1), c.Node(2)))
	s[1].loses(t, s[0]) // n2 hears nothing of n1 any more
	for i := range s {
		s[i].goesOn(t)
	}
	must(t, c.Heal(t.Context()))
	s[1].regains(t, s[0])
	expectEqualTables(t, afterCut, c.Nodes()...)
}

func TestCut_OfTheGossipPortAloneLosesNothing(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 3300)
	port := c.Node(1).Addr(cluster.GossipPort).Port()
	must(t, c.CutPort(t.Context(), c.Node(1), c.Node(2), port))
	must(t, c.CutPort(t.Context(), c.Node(1), c.Node(3), port))

	// The suspicion of gossip has to show itself before it can be vetoed.
	eventually(t, soon, "gossip holds n1 dead", func(ctx context.Context) error {
		return gossipSays(ctx, c.Node(2), "n1", "dead")
	})
	for i := range s {
		s[i].goesOn(t)
		for _, other := range s {
			s[i].watch.expectSilence(t, other.phones...)
		}
	}
	must(t, c.Heal(t.Context()))
	eventually(t, afterCut, "gossip holds n1 alive", func(ctx context.Context) error {
		return gossipSays(ctx, c.Node(2), "n1", "alive")
	})
}

func TestCut_PhoneThatMovedMeanwhileHasOneOwnerAfterTheHeal(t *testing.T) {
	c := threeNodes(t)
	a, b := c.Node(1), c.Node(2)
	ph := phones(t, a, "3401", "3402")
	register(t, a, ph...)
	expectSeen(t, soon, inServiceAt(a), ph, c.Nodes()...)
	must(t, c.CutOff(t.Context(), a))
	expectSeen(t, soon, lostWith(a), ph, b, c.Node(3))

	// 3401 moves to the other side; 3402, too, and then back again.
	register(t, b, ph[0].at(b), ph[1].at(b))
	register(t, a, ph[1])
	expectSeen(t, soon, inServiceAt(b), ph, b, c.Node(3))
	expectNow(t, inServiceAt(a), ph, a)

	oa, ob, oc := observe(t, a), observe(t, b), observe(t, c.Node(3))
	must(t, c.Heal(t.Context()))
	expectSeen(t, afterCut, inServiceAt(b), ph[:1], c.Nodes()...)
	expectSeen(t, afterCut, inServiceAt(a), ph[1:], c.Nodes()...)
	expectEqualTables(t, soon, c.Nodes()...)
	for _, o := range []*observer{oa, ob, oc} {
		for _, p := range ph {
			if told := o.told(p.dn); len(told) > 1 {
				t.Errorf("%s told of DN %s: %q; want one change at most", o.node, p.dn, told)
			}
		}
	}
}

func TestCut_OfTwoNodesHalfAndHalfLeavesBothServing(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(key, []byte(rand.Text()+rand.Text()), 0o600))
	c := newCluster(t, cluster.Config{Nodes: 2, Args: []string{"--cluster-key-file", key}}, false)
	must(t, c.Start(t.Context()))
	s := sides(t, c, 3500)

	must(t, c.Split(t.Context(), c.Nodes()[:1], c.Nodes()[1:]))
	s[0].loses(t, s[1])
	s[1].loses(t, s[0])
	s[0].goesOn(t)
	s[1].goesOn(t)
	must(t, c.Heal(t.Context()))
	s[0].regains(t, s[1])
	s[1].regains(t, s[0])
	expectEqualTables(t, soon, c.Nodes()...)
	s[0].watch.expectSilence(t, s[0].phones...)
	s[1].watch.expectSilence(t, s[1].phones...)

	t.Run("stranger without the key does not join", func(t *testing.T) { joinWithoutKey(t, c) })
	t.Run("node joins and is removed", func(t *testing.T) { joinAndRemove(t, c) })
}

// Gossip alone does not come together again after a cut of this length.
func TestCut_LongerThanGossipRemembersHeals(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 3600)
	must(t, c.CutOff(t.Context(), c.Node(1)))
	s[0].loses(t, s[1], s[2])
	remains(t, 15*time.Second)
	for i := range s {
		s[i].goesOn(t)
	}
	must(t, c.Heal(t.Context()))
	s[0].regains(t, s[1], s[2])
	s[1].regains(t, s[0])
	s[2].regains(t, s[0])
	expectEqualTables(t, soon, c.Nodes()...)
}

func TestLoss_OfFivePercentLosesNoPeer(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 3700)
	must(t, c.Loss(t.Context(), 5))
	remains(t, 8*time.Second)
	for i := range s {
		s[i].goesOn(t)
		for _, other := range s {
			s[i].watch.expectSilence(t, other.phones...)
		}
	}
}

// remains lets a fault last: here its length is what is tested.
func remains(t *testing.T, length time.Duration) {
	t.Helper()
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
