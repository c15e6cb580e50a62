package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// TestPower_AServerComesBackWithWhatWasSynced kills a server and has the disk
// forget: nothing unsynced is left, or a part of it. Whoever registered more
// than a second before is there, without registering again, and so is each
// acknowledged write of the configuration.
func TestPower_AServerComesBackWithWhatWasSynced(t *testing.T) {
	t.Parallel()
	disk := lossyfs.New(t)
	c := newCluster(t, cluster.Config{Nodes: 1, Loopback: true}, false)
	n := c.Node(1)
	data := filepath.Join(disk.Dir, "data")
	must(t, errors.Join(os.Mkdir(data, 0o700), syncDir(disk.Dir), os.Remove(n.DataDir()), os.Symlink(data, n.DataDir())))
	must(t, c.Start(t.Context()))
	for round, seed := range []uint64{0, 2, 3} {
		numbers := numbers(5300+10*round, 4)
		for _, number := range numbers {
			res, err := n.CLI(t.Context(), "dn", "put", "7"+number, "--kind", "sip", "--password", "p")
			must(t, err)
			if res.Code != 0 {
				t.Fatal(res.Err)
			}
		}
		ph := phones(t, n, numbers...)
		register(t, n, ph...)
		synced(t)
		written := disk.Take()
		n.Kill9()
		disk.Restore(written, seed)
		must(t, n.Start(t.Context()))
		expectSeen(t, soon, inServiceAt(n), ph, n)
		for _, number := range numbers {
			res, err := n.CLI(t.Context(), "dn", "get", "7"+number)
			must(t, err)
			if res.Code != 0 {
				t.Fatalf("round %d, seed %d: DN 7%s was acknowledged: %s", round, seed, number, res.Err)
			}
		}
	}
}

// synced returns when the last registration is older than the second that may be lost.
func synced(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(1200 * time.Millisecond):
	case <-t.Context().Done():
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
