package e2e_test

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// freeWithin is how long a reservation may outlive who has it.
const freeWithin = 3 * time.Second

// A reservation ends with its holder, however that ends, wherever he asked for it: the
// agent's telephone is at the first node, the router at the second.
func TestReserve_EndsWithItsHolder(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8701")
	register(t, c.Node(1), ph...)
	for _, s := range []struct {
		name string
		// kill ends the holder; the nodes in at see the agent free afterwards.
		kill func(t *testing.T, router *client)
		at   []*cluster.Node
	}{
		{"the router is killed", func(_ *testing.T, router *client) { router.stop() }, c.Nodes()},
		{"the router's node is killed", func(*testing.T, *client) { c.Node(2).Kill9() }, []*cluster.Node{c.Node(1), c.Node(3)}},
		{"the router's node is cut off from the agent's", func(t *testing.T, _ *client) {
			must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
		}, []*cluster.Node{c.Node(1), c.Node(3)}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Cleanup(func() { mend(t, c) })
			expectSeen(t, starting, inServiceAt(c.Node(1)), ph, c.Nodes()...)
			expectRoutable(t, "8701", true, c.Nodes()...)
			router := connect(t, c.Node(2), cluster.DefaultPort)
			router.reserves(t, "8701", reserveAgent("8701", 1, 3_600_000))
			expectRoutable(t, "8701", false, c.Nodes()...)
			lives(t, c.Node(3), "8701", freeWithin+time.Second)
			s.kill(t, router)
			killed := time.Now()
			expectRoutable(t, "8701", true, s.at...)
			if took := time.Since(killed); took > 4*freeWithin { // on a busy machine
				t.Errorf("it was free after %v", took)
			}
			again := connect(t, c.Node(3), cluster.DefaultPort)
			again.reserves(t, "8701", reserveAgent("8701", 1, 1000))
		})
	}
}

// lives wants the DN to stay reserved so long: its lease is renewed.
func lives(t *testing.T, n *cluster.Node, dn string, long time.Duration) {
	t.Helper()
	since := time.Now()
	eventuallyGet(t, n, dn, func(d *tcpb.DNStatus) bool {
		if !d.GetReserved() {
			t.Fatalf("DN %s is free after %v although its holder lives", dn, time.Since(since))
		}
		return time.Since(since) > long
	})
}

// A router with a grace that comes back within it has what it had reserved; when it
// doesn't, the agent is free after it.
func TestReserve_LivesThroughTheGrace(t *testing.T) {
	c := threeNodes(t)
	pstn(t, c.Node(2), nil, "8712")
	grace(t, c.Node(2), 4)
	t.Cleanup(func() { grace(t, c.Node(2), 0) })
	ph := phones(t, c.Node(1), "8711")
	register(t, c.Node(1), ph...)
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph, c.Nodes()...)
	router := connect(t, c.Node(2), cluster.TCPort)
	router.says(t, "EVENT_REGISTERED 8712 status=InSrv owner=n2", registerAddress("8712", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	router.reserves(t, "8711", reserveAgent("8711", 1, 3_600_000))
	expectRoutable(t, "8711", false, c.Nodes()...) // the others hear of it a moment after the router
	for range 2 {
		router.stop()
		lives(t, c.Node(3), "8711", time.Second)
		router = connectFrom(t, c.Node(2), nil, cluster.TCPort, &tlibpb.OpenSession{ResumeToken: router.link.GetLinkConnected().GetSessionToken()})
		lives(t, c.Node(3), "8711", freeWithin+time.Second)
	}
	router.stop()
	lives(t, c.Node(3), "8711", freeWithin)
	expectRoutable(t, "8711", true, c.Nodes()...)
}
