package location

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
)

// TestFlush_WaitsForNoDiskThatStalls: the first who comes waits a quarter of a second,
// nobody behind him waits at all, the memory is right; and when the disk answers
// again all that came meanwhile is on it by itself.
func TestFlush_WaitsForNoDiskThatStalls(t *testing.T) {
	m := lossyfs.New(t)
	s := openAt(t, m.Dir, testBoot)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	registered(s, 1)
	ok(t, s.Flush())
	m.Freeze()
	waited := 0
	for i := range 200 {
		s.Put(entry(fmt.Sprint(4000+i), 2, time.Now().Add(time.Hour)))
		began := time.Now()
		flushed := make(chan error, 1)
		go func() { flushed <- s.Flush() }()
		if err := patience.Receive(t, "a flush on a frozen disk", flushed); !errors.Is(err, disk.ErrStalled) {
			t.Fatalf("flush %d on a frozen disk: %v", i, err)
		}
		if time.Since(began) >= disk.Patience {
			waited++
		}
		if s.Get("4000") == nil {
			t.Fatal("what was put is not there")
		}
	}
	if waited < 1 || waited > 3 { // one, and those that the machine held up
		t.Errorf("%d of 200 flushes waited", waited)
	}
	if err := s.Failing(); !errors.Is(err, disk.ErrStalled) {
		t.Errorf("failing: %v", err)
	}
	patience.Until(t, "the stalled journal is named", func() bool {
		return slices.ContainsFunc(s.Disks(), func(w *disk.Watch) bool { return w.Store == "location journal" && w.Stalled() != nil })
	})
	m.Thaw()
	patience.Until(t, "all is written by itself", func() bool { return s.Failing() == nil && s.journal.written.Load() == s.queued.Load() })
	cancel()
	running.Wait()
	ok(t, s.Close())
	again := openAt(t, m.Dir, testBoot)
	defer again.crash()
	if n := again.Len(); n != 230 {
		t.Errorf("%d of 230 entries are kept", n)
	}
}
