package e2e_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	lines "github.com/sipcluster/sipcluster/jepsen/line"
)

var lostAfter = regexp.MustCompile(`msg="peer is lost: [^\n]* reason="?([a-z ]+)"? silence_ms=(\d+)`)

// TestFar_ACutIsSeenByTheDistance: where the round trip is 150 ms, the link alone says who is
// lost, without gossip's doubts, and sooner than any bound that is made for every distance.
func TestFar_ACutIsSeenByTheDistance(t *testing.T) {
	const trip = 150 * time.Millisecond
	c := newCluster(t, cluster.Config{Nodes: 3, Lines: true}, false)
	must(t, c.Start(t.Context()))
	must(t, c.SetPaths(lines.Path{Delay: trip / 2, Jitter: trip / 30}))
	for _, n := range c.Nodes() {
		patience.Until(t, n.Name()+" says that both peers are far", func() bool {
			return strings.Count(n.Logs(), "the peer is too far for gossip") >= 2
		})
	}
	before := gossipDoubts(c)
	s := sides(t, c, 3900)
	must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
	s[0].loses(t, s[1])
	s[1].loses(t, s[0])
	for i := range s {
		s[i].goesOn(t)
	}
	for _, side := range s[:2] {
		said := lostAfter.FindAllStringSubmatch(side.node.Logs(), -1)
		if len(said) != 1 {
			t.Fatalf("%s lost somebody %d times", side.node.Name(), len(said))
		}
		// 0.75 s and three round trips, on a machine that has time.
		t.Logf("%s saw the cut after %s ms of silence", side.node.Name(), said[0][2])
		if why := said[0][1]; why != "link cut" {
			t.Errorf("%s lost its peer for %q: the link ended too late", side.node.Name(), why)
		}
	}
	must(t, c.Heal(t.Context()))
	s[0].regains(t, s[1])
	s[1].regains(t, s[0])
	s[2].watch.expectSilence(t, s[0].phones...)
	if now := gossipDoubts(c); now != before {
		t.Errorf("gossip's doubts are in the log: %s, and before %s", now, before)
	}
}

// gossipDoubts counts what each node's log says of them.
func gossipDoubts(c *cluster.Cluster) string {
	var all []int
	for _, n := range c.Nodes() {
		all = append(all, strings.Count(n.Logs(), "gossip lost the peer"))
	}
	return fmt.Sprint(all)
}
