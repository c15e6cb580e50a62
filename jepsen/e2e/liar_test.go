package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/liar"
)

// TestSecured is one cluster that asks everybody who he is, and attackers around it.
func TestSecured(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Secured: true, Args: secureArgs(t)}, false)
	must(t, c.Start(t.Context()))
	for _, s := range []struct {
		name string
		test func(t *testing.T, c *cluster.Cluster)
	}{
		{"whoever has a node's files is that node and no other", filesOfANode},
		{"a stranger gets nothing at any port", nothingExposed},
		{"what a revoked token is used for ends within a second", revokedEnds},
		{"everything changes, and nobody notices", rotationsUnnoticed},
		{"a cut in the middle of it is made good by itself", rotationsCut},
		{"whom one node distrusts all do after the heal", distrusted},
		{"a removed node is nobody within a second", removedEnds},
	} {
		if !t.Run(s.name, func(t *testing.T) { s.test(t, c) }) {
			return
		}
	}
}

// steal takes the files of a node, whose holder stands apart from all nodes.
func steal(t *testing.T, c *cluster.Cluster, of *cluster.Node) (thief *liar.Thief) {
	t.Helper()
	_, err := cluster.Eventually(t.Context(), soon, "a whole copy of the store of "+of.Name(), func(context.Context) (err error) {
		thief, err = liar.Steal(of, c.Visitor(), t.TempDir())
		return err
	})
	must(t, err)
	return thief
}

// counted is how many a node refused who said to be somebody, or had no invite.
func counted(t *testing.T, n *cluster.Node) (sum int) {
	t.Helper()
	text, err := n.Get(t.Context(), n.Place(), "/metrics")
	must(t, err)
	kinds := 0
	for line := range strings.Lines(string(text)) {
		for _, kind := range []string{"identity-refused", "auth-failed"} {
			if v, ok := strings.CutPrefix(line, `sipcluster_security_events_total{event="`+kind+`"} `); ok {
				count, err := strconv.Atoi(strings.TrimSpace(v))
				must(t, err)
				kinds, sum = kinds+1, sum+count
			}
		}
	}
	if kinds != 2 {
		t.Fatalf("%s counts nothing of the kind", n.Name())
	}
	return sum
}

func filesOfANode(t *testing.T, c *cluster.Cluster) {
	n2 := steal(t, c, c.Node(2))
	one, own, three := n2.Node("n1"), n2.Node("n2"), n2.Node("n3")
	for _, claim := range liar.Claims() { // else it shows nothing that the others are refused
		if err := claim.Try(n2, t.Context(), own, one); err != nil {
			t.Errorf("n2 wants to %s at n1: %v", claim.What, err)
		}
	}
	signed, err := n2.As(three, t.TempDir())
	must(t, err)
	for _, thief := range []*liar.Thief{n2, signed} {
		for i, to := range []*configpb.Node{one, own} {
			for _, claim := range append(liar.Claims(), liar.Trespasses()...) {
				before := counted(t, c.Node(i+1))
				err := claim.Try(thief, t.Context(), three, to)
				what := fmt.Sprintf("n2's key, a certificate of %s: to %s at %s as n3", thief.ID, claim.What, to.GetName())
				if errors.Is(err, liar.ErrNameless) {
					continue
				}
				if err == nil {
					t.Errorf("%s: it was taken", what)
				} else if counted(t, c.Node(i+1)) == before {
					t.Errorf("%s: %v, and nobody counted it", what, err)
				}
			}
		}
	}
	if list := cli(t, c.Node(1), 0, "node", "list"); strings.Count(list.Out, "\n") != 4 {
		t.Errorf("the roster:\n%s", list.Out)
	}
}
