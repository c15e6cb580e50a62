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
// nobody behind him waits for the disk, the memory is right; and when the disk answers
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
	var took []time.Duration
	for i := range 200 {
		s.Put(entry(fmt.Sprint(4000+i), 2, time.Now().Add(time.Hour)))
		began := time.Now()
		flushed := make(chan error, 1)
		go func() { flushed <- s.Flush() }()
		if err := patience.Receive(t, "a flush on a frozen disk", flushed); !errors.Is(err, disk.ErrStalled) {
			t.Fatalf("flush %d on a frozen disk: %v", i, err)
		}
		took = append(took, time.Since(began))
		if s.Get("4000") == nil {
			t.Fatal("what was put is not there")
		}
	}
	first := took[0]
	if slices.Sort(took); first < disk.Patience || took[len(took)/2] >= disk.Patience { // the machine may hold some up
		t.Errorf("the first flush waited %v, of all the median is %v", first, took[len(took)/2])
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

// TestFlushHere_WhoWritesHimselfIsRelieved: on a disk that answers he writes, and nobody
// takes his place, however long he goes on; on one that stalls somebody does, once and in
// time. Who comes then waits not at all, and when the disk is back all is written.
func TestFlushHere_WhoWritesHimselfIsRelieved(t *testing.T) {
	m := lossyfs.New(t)
	s := openAt(t, m.Dir, testBoot)
	for first := time.Now(); time.Since(first) < 2*disk.Patience; {
		s.Put(entry("4000", 2, time.Now().Add(time.Hour)))
		began := time.Now()
		here, err := s.FlushHere(func(error) {})
		if err != nil || !here && time.Since(began) < disk.Patience { // the machine may have held it up
			t.Fatalf("%v, %v", here, err)
		}
		if s.journal.written.Load() != s.queued.Load() {
			t.Fatal("it is not written")
		}
	}
	m.Freeze()
	s.Put(entry("4001", 2, time.Now().Add(time.Hour)))
	relieved, back, began := make(chan error, 2), make(chan bool), time.Now()
	go func() {
		here, _ := s.FlushHere(func(err error) { relieved <- err })
		back <- here
	}()
	if err := patience.Receive(t, "who reads is relieved", relieved); !errors.Is(err, disk.ErrStalled) || time.Since(began) < disk.Patience {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	for range 200 {
		s.Put(entry("4002", 2, time.Now().Add(time.Hour)))
		if here, err := s.FlushHere(func(error) { t.Error("somebody else is relieved") }); !here || !errors.Is(err, disk.ErrStalled) {
			t.Fatalf("behind one that stalls: %v, %v", here, err)
		}
	}
	m.Thaw()
	if patience.Receive(t, "the disk has answered", back) {
		t.Error("who was relieved goes on as if he were not")
	}
	patience.Until(t, "all is written", func() bool { return s.journal.written.Load() == s.queued.Load() })
	if len(relieved) != 0 {
		t.Error("relieved twice")
	}
	ok(t, s.Close())
}
