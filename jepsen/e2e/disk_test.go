package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// TestDisk_FullStopsConfigurationWritesNeverSIP fills the disk of the only
// voter, so that nobody else can take over.
func TestDisk_FullStopsConfigurationWritesNeverSIP(t *testing.T) {
	c := newCluster(t, cluster.Config{Nodes: 1}, false)
	n := c.Node(1)
	must(t, n.Place().MountTmpfs(n.DataDir(), 64<<20))
	must(t, c.Start(t.Context()))
	ph := phones(t, n, numbers(5001, 5)...)
	register(t, n, ph[0])
	o := observe(t, n)
	o.counts(t, inServiceAt(n), ph[0])

	ballast := filepath.Join(n.DataDir(), "ballast")
	must(t, n.Place().Do(func() error { return fill(ballast) }))
	for i := range 50 { // what is left in allocated pages has to go first
		res, err := n.CLI(t.Context(), "dn", "put", fmt.Sprint(5100+i), "--kind", "sip", "--password", "p")
		must(t, err)
		if res.Code != 0 {
			t.Logf("refused: %s", res.Err)
			break
		}
		if i == 49 {
			t.Error("50 writes went well on a full disk")
		}
	}
	register(t, n, ph...)
	unregister(t, n, ph[4])
	o.waitSeen(t, soon, inServiceAt(n), ph[:4]...)
	o.waitSeen(t, soon, nobody, ph[4])
	o.expectSilence(t, ph[0])
	eventually(t, soon, "status warns", func(ctx context.Context) error {
		s, err := n.Status(ctx)
		if err == nil && len(s.GetWarnings()) == 0 {
			err = errors.New("no warning")
		}
		return err
	})

	// With room again and a restart all is as before.
	must(t, n.Place().Do(func() error { return os.Remove(ballast) }))
	must(t, n.Restart(t.Context()))
	expectSeen(t, soon, inServiceAt(n), ph[:1], n)
	eventually(t, starting, "writes go well", func(ctx context.Context) error {
		res, err := n.CLI(ctx, "dn", "put", "5200", "--kind", "sip", "--password", "p")
		if err == nil && res.Code != 0 {
			err = errors.New(res.Err)
		}
		return err
	})
}

// fill writes a file until the disk has no room left.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for _, size := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return f.Close()
}
