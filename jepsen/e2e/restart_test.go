package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

func TestKill9_OwnersDNsAreOutOfServiceUntilItIsBack(t *testing.T) {
	c := threeNodes(t)
	owner, others := c.Node(2), []*cluster.Node{c.Node(1), c.Node(3)}
	mine := phones(t, owner, numbers(2100, 5)...)
	rest := phones(t, c.Node(1), "2111")
	register(t, owner, mine...)
	register(t, c.Node(1), rest...)
	o1, o3 := observe(t, c.Node(1)), observe(t, c.Node(3))
	o1.counts(t, inServiceAt(c.Node(1)), rest...)
	o3.waitSeen(t, soon, inServiceAt(c.Node(1)), rest...)
	o3.counts(t, inServiceAt(owner), mine...)

	owner.Kill9()
	o1.waitSeen(t, soon, lostWith(owner), mine...)
	o3.waitSeen(t, soon, lostWith(owner), mine...)
	expectNow(t, lostWith(owner), mine, others...)
	expectNow(t, inServiceAt(c.Node(1)), rest, others...)

	// Nobody registers again: the owner has the bindings in its own store.
	if err := owner.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	o1.waitSeen(t, afterCut, inServiceAt(owner), mine...)
	o3.waitSeen(t, afterCut, inServiceAt(owner), mine...)
	expectEqualTables(t, soon, c.Nodes()...)
	o1.expectSilence(t, rest...)
	if told := o3.told("2100"); len(told) != 2 {
		t.Errorf("n3 told %q; want out of service, then in service", told)
	}
}

func TestKill9_UnregisteredStaysSoAndMovedDNsDontComeBack(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(2), "2121", "2122")
	register(t, c.Node(2), ph...)
	unregister(t, c.Node(2), ph[0])
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	c.Node(2).Kill9()
	register(t, c.Node(1), ph[1].at(c.Node(1)))
	o := observe(t, c.Node(3))
	o.counts(t, inServiceAt(c.Node(1)), ph[1])

	if err := c.Node(2).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WaitWhole(t.Context(), starting); err != nil {
		t.Fatal(err)
	}
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph[1:], c.Nodes()...)
	expectSeen(t, soon, nobody, ph[:1], c.Nodes()...)
	o.expectSilence(t, ph[1])
}

func TestStop_EndsInGoodOrder(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(3), "2131")
	register(t, c.Node(3), ph...)
	o := observe(t, c.Node(1))
	o.waitSeen(t, soon, inServiceAt(c.Node(3)), ph...)

	if err := c.Node(3).Stop(10 * time.Second); err != nil {
		t.Errorf("SIGTERM: %v; want exit code 0", err)
	}
	o.waitSeen(t, soon, lostWith(c.Node(3)), ph...)
	if err := c.Node(3).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.waitSeen(t, afterCut, inServiceAt(c.Node(3)), ph...)
}

func TestLocationStore_DamagedIsSetAsideAndTheNodeStarts(t *testing.T) {
	c := threeNodes(t)
	n := c.Node(3)
	ph := phones(t, n, "2141")
	register(t, n, ph...)
	expectSeen(t, soon, inServiceAt(n), ph, c.Nodes()...)

	n.Kill9()
	before := len(n.Logs())
	damage(t, filepath.Join(n.DataDir(), "location"))
	if err := n.Start(t.Context()); err != nil {
		t.Fatalf("a damaged location store keeps the node from starting: %v", err)
	}
	if log := n.Logs()[before:]; !strings.Contains(log, "damaged") {
		t.Errorf("no word of the damaged store in the log:\n%s", log)
	}
	register(t, n, ph...)
	expectSeen(t, afterCut, inServiceAt(n), ph, c.Nodes()...)
}

// damage overwrites the beginning of every file below dir.
func damage(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		files++
		_, err = f.WriteAt([]byte(strings.Repeat("damaged!", 2048)), 0)
		return errors.Join(err, f.Close())
	})
	if err != nil || files == 0 {
		t.Fatalf("damage %s: %d files, %v", dir, files, err)
	}
}

func TestPause_LongerThanTheBoundIsALossAndEndsWithIt(t *testing.T) {
	c := threeNodes(t)
	hung := c.Node(3)
	ph := phones(t, hung, "2151", "2152")
	register(t, hung, ph...)
	o := observe(t, c.Node(1))
	o.counts(t, inServiceAt(hung), ph...)

	if err := hung.Pause(); err != nil {
		t.Fatal(err)
	}
	o.waitSeen(t, 2*soon, lostWith(hung), ph...)
	register(t, c.Node(2), ph[1].at(c.Node(2)))
	o.waitSeen(t, soon, inServiceAt(c.Node(2)), ph[1])
	if err := hung.Resume(); err != nil {
		t.Fatal(err)
	}
	o.waitSeen(t, afterCut, inServiceAt(hung), ph[0])
	expectSeen(t, afterCut, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	if told := o.told("2152"); len(told) != 2 {
		t.Errorf("n1 told of the DN that moved: %q; want out of service, then in service at n2", told)
	}
}
