package disk_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/disk"
)

// The oldest call counts, until it is over in whatever way.
func TestWatch_TellsSinceWhenTheOldestCallIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := disk.NewWatch("journal")
		if !w.Since().IsZero() || w.Stalled() != nil {
			t.Error("nothing is under way")
		}
		began, first, second := time.Now(), make(chan error), make(chan error)
		var calls sync.WaitGroup
		calls.Go(func() {
			if err := w.Do(func() error { return <-first }); err == nil {
				t.Error("the call's error is lost")
			}
		})
		synctest.Wait()
		<-time.After(disk.Patience)
		calls.Go(func() { // ends its goroutine, as the stores of Raft do
			w.Do(func() error { <-second; runtime.Goexit(); return nil }) //nolint:errcheck // it never returns
		})
		synctest.Wait()
		if err := w.Waits(disk.Patience); err != nil {
			t.Errorf("at the end of the patience: %v", err)
		}
		<-time.After(time.Millisecond)
		if err := w.Waits(disk.Patience); !errors.Is(err, disk.ErrStalled) {
			t.Errorf("behind it: %v", err)
		}
		<-time.After(disk.StallsAfter)
		if err := w.Stalled(); !errors.Is(err, disk.ErrStalled) || !w.Since().Equal(began) {
			t.Errorf("%v, since %v", err, w.Since().Sub(began))
		}
		first <- errors.New("at last")
		synctest.Wait()
		if since := w.Since().Sub(began); since != disk.Patience {
			t.Errorf("the other one since %v", since)
		}
		close(second)
		calls.Wait()
		if !w.Since().IsZero() || w.Stalled() != nil {
			t.Error("all are over")
		}
	})
}
