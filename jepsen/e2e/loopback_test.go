package e2e_test

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

func TestLoopback_ClusterNeedsNoRoot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 2, Loopback: true}, false)
	must(t, c.Start(t.Context()))
	ph := phones(t, c.Node(1), "8001", "8002")
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1])
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph[:1], c.Nodes()...)
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	must(t, c.Node(2).Stop(soon))
	expectSeen(t, soon, lostWith(c.Node(2)), ph[1:], c.Node(1))
}
