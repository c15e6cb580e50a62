package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// smallDisk gives the node a file system of its own that can be filled.
func smallDisk(t *testing.T, m *member) {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("NOT RUN: a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		m.kill()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m.dir = dir
}

func bulk(first int) *peerpb.Command {
	var ms []*configpb.Mutation
	for i := range 500 {
		ms = append(ms, phone(fmt.Sprint(first*1000+i)))
	}
	return proposal(ms...)
}

func TestGroup_FullDiskOfTheLeaderStopsOnlyItsConfigurationPlane(t *testing.T) {
	c := newCluster(t)
	a, b, d := c.patient("a"), c.patient("b"), c.patient("c")
	smallDisk(t, a)
	a.bootstrap()
	b.startJoined(a)
	d.startJoined(a)
	c.waitFor("three voters", func() bool { return a.voters() == 3 })
	c.lead(a, a, b, d)
	var err error
	c.waitFor("failed state", func() bool { // a slow machine's answer may come too late before that, too
		for i := 0; err == nil && i < 200; i++ {
			_, err = a.group.Propose(t.Context(), bulk(i))
		}
		if !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrFailed) && !errors.Is(err, ErrNoQuorum) {
			t.Fatalf("on a full disk: %v", err)
		}
		err = nil
		return a.group.Status().State == "failed"
	})
	patience.Receive(t, "word to the supervisor", a.group.Failed())
	if err := a.group.Err(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if a.machine.View().DN("0") == nil {
		t.Fatal("the configuration is not readable any more")
	}
	if _, err := a.group.Propose(t.Context(), bulk(0)); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if c.leader(b, d) == nil {
		t.Fatal("no new leader")
	}
	b.write(77)
	c.equal(b, d)
}

// failing is a store whose writes fail from some moment on.
type failing struct {
	store
	broken bool
}

func (f *failing) StoreLogs(ls []*raft.Log) error {
	if f.broken {
		return syscall.ENOSPC
	}
	return nil
}

func (f *failing) SetUint64([]byte, uint64) error {
	if f.broken {
		panic("page 7 is damaged")
	}
	return nil
}

func TestGuard_EndsTheGoroutineInsteadOfThePanic(t *testing.T) {
	for name, write := range map[string]func(g guard) error{
		"error": func(g guard) error { return g.StoreLog(&raft.Log{}) },
		"panic": func(g guard) error { return g.SetUint64([]byte("CurrentTerm"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			reported := make(chan error, 1)
			f := &failing{}
			g := guard{f, func(err error) { reported <- err }, disk.NewWatch("raft.db")}
			if err := write(g); err != nil || len(reported) != 0 {
				t.Fatal("failed while all was well")
			}
			f.broken = true
			ended, cleanedUp := make(chan struct{}), false
			go func() {
				defer close(ended)
				defer func() { cleanedUp = true }()
				_ = write(g)
				t.Error("the call returned")
			}()
			patience.Receive(t, "the end of who wrote", ended)
			if err := patience.Receive(t, "the report of the failure", reported); !strings.Contains(err.Error(), "writing") || !cleanedUp {
				t.Fatal(err)
			}
		})
	}
}

func TestGroup_FollowerWithABrokenStoreIsLeftBehind(t *testing.T) {
	c, n := steady(t)
	leader := c.leader(n[:]...)
	f := followers(leader, n[:]...)
	f[0].group.fail(errors.New("disk on fire")) // as its stores would report it
	c.waitFor("failed state", func() bool { return f[0].group.Status().State == "failed" })
	if _, err := f[0].group.Propose(context.Background(), proposal(phone("1"))); !errors.Is(err, fsm.ErrPlaneFailed) {
		t.Fatal(err)
	}
	f[1].write(2)
}

// TestSnapshots_OneThatWasOvertakenIsNoDiskError: a snapshot that is complete when newer
// ones are kept in its place is removed at once. The newer ones stay and are read.
func TestSnapshots_OneThatWasOvertakenIsNoDiskError(t *testing.T) {
	dir := t.TempDir()
	files, err := raft.NewFileSnapshotStore(dir, keptSnapshots, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	stopped := func(err error) { t.Error("the configuration stops: ", err) }
	s := guardSnapshots{files, filepath.Join(dir, "snapshots"), stopped, disk.NewWatch("raft snapshots")}
	done := make(chan struct{})
	go func() { // a fault ends the goroutine
		defer close(done)
		var sinks []raft.SnapshotSink
		for i := range uint64(keptSnapshots + 1) {
			k, err := s.Create(raft.SnapshotVersionMax, 10+i, 1, raft.Configuration{}, 1, nil)
			if err != nil {
				t.Error(err)
				return
			}
			sinks = append(sinks, k)
		}
		for i := range sinks { // the oldest last
			if err := sinks[len(sinks)-1-i].Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	<-done
	kept, err := files.List()
	if err != nil || len(kept) != keptSnapshots || kept[0].Index != 10+keptSnapshots {
		t.Errorf("kept %v, %v", kept, err)
	}
}
