package consensus

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// promise is what Raft was told is on the disk, and when.
type promise struct {
	real        time.Duration
	term, index uint64
}

func (m *member) promises(term uint64) promise {
	return promise{lossyfs.Now(), term, m.machine.View().Index()}
}

// left is what a power failure left of a node, as Raft reads it.
type left struct {
	term, first, last, snapshot, applied uint64
}

func read(dir string) (l left, err error) {
	machine, err := fsm.Open(fsm.Config{Path: filepath.Join(dir, "config.db")})
	if err != nil {
		return l, err
	}
	l.applied = machine.View().Index()
	if err := machine.Close(); err != nil {
		return l, err
	}
	path := filepath.Join(dir, "raft", "raft.db")
	if _, err := os.Stat(path); err != nil {
		if l.applied == 0 {
			err = nil // a node of which nothing is left starts anew
		}
		return l, err
	}
	if err := probe(path, &ledger{}); err != nil {
		return l, err
	}
	store, err := boltdb.NewBoltStore(path)
	if err != nil {
		return l, err
	}
	defer store.Close()
	l.term, _ = store.GetUint64([]byte("CurrentTerm")) // an error: there is none yet
	l.first, _ = store.FirstIndex()
	l.last, _ = store.LastIndex()
	snapshots, err := raft.NewFileSnapshotStore(filepath.Join(dir, "raft"), keptSnapshots, nil)
	if err != nil {
		return l, err
	}
	list, err := snapshots.List()
	if len(list) > 0 {
		l.snapshot = list[0].Index
	}
	return l, err
}

// keeps tells what is missing of a promise.
func (l left) keeps(p promise) error {
	switch {
	case l.term < p.term:
		return fmt.Errorf("term %d after %d", l.term, p.term)
	case max(l.last, l.snapshot) < p.index:
		return fmt.Errorf("the log ends at %d, the snapshot at %d; %d was acknowledged", l.last, l.snapshot, p.index)
	case l.applied > max(l.last, l.snapshot):
		return fmt.Errorf("the state machine is at %d, the log ends at %d", l.applied, l.last)
	case l.first > l.snapshot+1:
		return fmt.Errorf("the log begins at %d behind the snapshot of %d", l.first, l.snapshot)
	}
	return nil
}

// TestGroup_PowerFailureForgetsNoTermAndNoEntry at any operation of a node that
// is founded, writes, takes snapshots that shorten the log, and restarts.
func TestGroup_PowerFailureForgetsNoTermAndNoEntry(t *testing.T) {
	disk, dir := lossyfs.New(t), lossyfs.Memory(t)
	c := newCluster(t)
	a := c.add("a")
	a.dir = filepath.Join(disk.Dir, "node")
	disk.Watch(lossyfs.Plan{Every: 2, Most: 400})
	a.bootstrap()
	var promises []promise
	for round := range 3 {
		c.waitFor("a leader", func() bool { return a.group.raft.State() == raft.Leader })
		term := a.group.raft.CurrentTerm()
		for i := range 4 {
			a.write(10*round + i)
			promises = append(promises, a.promises(term))
		}
		short := a.group.raft.ReloadableConfig()
		short.TrailingLogs = 2
		if err := a.group.raft.ReloadConfig(short); err != nil {
			t.Fatal(err)
		}
		if err := a.group.raft.Snapshot().Error(); err != nil {
			t.Fatal(err)
		}
		a.write(10*round + 5)
		promises = append(promises, a.promises(term))
		a.kill()
		if round < 2 {
			a.start("")
		}
	}
	for i, im := range disk.Images() {
		for _, seed := range []uint64{0, 1, 2, 3} {
			disk.Extract(i, seed, dir)
			l, err := read(filepath.Join(dir, "node"))
			for _, p := range promises {
				if err == nil && p.real <= im.At {
					err = l.keeps(p)
				}
			}
			if err != nil {
				t.Fatalf("image %d, before operation %d, seed %d: %v", i, im.Step, seed, err)
			}
		}
	}
	startsAnew(t, disk, a, promises)
}

// startsAnew starts a node from some of the images: it leads again, and its
// configuration has all that was acknowledged.
func startsAnew(t *testing.T, disk *lossyfs.Mount, a *member, promises []promise) {
	t.Helper()
	images := disk.Images()
	for k := range 4 {
		i := len(images) - 1 - k*len(images)/5
		disk.Restore(i, uint64(k))
		a.start("")
		a.c.waitFor("a leader", func() bool { return a.group.raft.State() == raft.Leader })
		due := uint64(0)
		for _, p := range promises {
			if p.real <= images[i].At {
				due = p.index
			}
		}
		a.c.waitFor(fmt.Sprintf("index %d", due), func() bool { return a.machine.View().Index() >= due })
		a.kill()
	}
}
