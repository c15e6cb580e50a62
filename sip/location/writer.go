package location

import (
	"fmt"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/disk"
)

// writer brings the queue into the journal, on a goroutine of its own while there
// is something to write: who asks for it can give up a write that does not come back,
// which nobody can end. All that came during one write share the next.
type writer struct {
	mu   sync.Mutex
	busy *attempt // under way
	next *attempt // behind it, for those who came meanwhile
}

// attempt is one write for all who joined it.
type attempt struct {
	began time.Time
	done  chan struct{}
	err   error // once done
}

// join returns the attempt that will have all that is queued now; late: the one
// under way is taking longer than anybody waits.
func (s *Store) join() (a *attempt, late bool) {
	w := &s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy == nil {
		w.busy = &attempt{began: time.Now(), done: make(chan struct{})}
		go s.write(w.busy)
		return w.busy, false
	}
	if w.next == nil {
		w.next = &attempt{done: make(chan struct{})}
	}
	return w.next, time.Since(w.busy.began) > disk.Patience
}

// write makes an attempt, and those that were asked for meanwhile.
func (s *Store) write(a *attempt) {
	w := &s.writer
	for a != nil {
		a.err = s.disks.journal.Do(s.flushQueue)
		w.mu.Lock()
		done := a.done
		a, w.busy, w.next = w.next, w.next, nil
		if a != nil {
			a.began = time.Now()
		}
		w.mu.Unlock()
		close(done)
	}
}

// await waits for an attempt, but not for ever.
func (s *Store) await(a *attempt) error {
	limit := time.NewTimer(disk.Patience)
	defer limit.Stop()
	select {
	case <-a.done:
		return a.err
	case <-limit.C:
		return s.late()
	}
}

// late is the answer to who waits no longer; what he queued is written when the disk
// answers again.
func (s *Store) late() error {
	return fmt.Errorf("location store: %w within %s", disk.ErrStalled, disk.Patience)
}
