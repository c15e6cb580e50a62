package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// The machines of two of three nodes are lost, or seem so: the third goes on from its
// own copy, with its phones. One of the two is found again: it takes part by the name
// of the recovery and no other one, and its phones never have to register anew.
func TestRecover_TheMajorityIsLostForGood(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3}, true)
	must(t, c.Start(t.Context()))
	lost, found, survivor := c.Node(1), c.Node(2), c.Node(3)
	at2, at3 := phones(t, found, "9041"), phones(t, survivor, "9042")
	register(t, found, at2...)
	register(t, survivor, at3...)
	expectSeen(t, soon, inServiceAt(found), at2, c.Nodes()...)
	expectSeen(t, soon, inServiceAt(survivor), at3, c.Nodes()...)
	if r := cli(t, survivor, 1, "recover", "--data-dir", survivor.DataDir()); r.Out != "" {
		t.Errorf("of a node that runs: %s", r.Out)
	}
	for _, n := range c.Nodes() {
		n.Kill9()
	}
	must(t, os.RemoveAll(lost.DataDir()))

	r := cli(t, survivor, 0, "recover", "--data-dir", survivor.DataDir())
	name := regexp.MustCompile(`recovery (\S+): `).FindStringSubmatch(r.Out)
	if name == nil {
		t.Fatalf("%s\n%s", r.Out, r.Err)
	}
	must(t, survivor.Start(t.Context()))
	expectSeen(t, soon, inServiceAt(survivor), at3, survivor)
	eventually(t, soon, "the survivor takes writes", func(ctx context.Context) error {
		r, err := survivor.CLI(ctx, "dn", "put", "9049", "--kind", "pstn", "--external", "+15550009049")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("%s", r.Err)
		}
		return err
	})

	must(t, found.Launch("--accept-recovery", "2-0123456789ab"))
	must(t, found.WaitReady(t.Context()))
	expectSeen(t, soon, inServiceAt(found), at2, found)
	if knowsDN(t.Context(), found, "9049") == nil || len(asides(t, found)) != 0 {
		t.Errorf("it took part by a name that is none; set aside: %v", asides(t, found))
	}
	cli(t, found, 0, "status")
	found.Kill9()

	must(t, found.Launch("--accept-recovery", name[1]))
	must(t, found.WaitReady(t.Context()))
	eventually(t, soon, "the configuration came from the survivor", func(ctx context.Context) error { return knowsDN(ctx, found, "9049") })
	expectSeen(t, soon, inServiceAt(found), at2, found, survivor)
	expectSeen(t, soon, inServiceAt(survivor), at3, found, survivor)
	if len(asides(t, found)) != 2 {
		t.Errorf("set aside: %v", asides(t, found))
	}
	cli(t, survivor, 0, "node", "remove", lost.Name())
}

func asides(t *testing.T, n *cluster.Node) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(n.DataDir(), "*.set-aside-*"))
	must(t, err)
	return names
}
