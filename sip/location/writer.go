package location

import (
	"fmt"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/disk"
)

// writer brings the queue into the journal: one write at a time, and all that came during
// one share the next. Nobody can take back a write that does not return. So who can wait
// has a goroutine write, which he can leave (Flush), and who has no time for that writes
// himself and is left by what he was about to do (FlushHere).
type writer struct {
	mu   sync.Mutex
	busy *attempt // under way
	next *attempt // behind it, for those who came meanwhile
	// timer looks at who writes himself, while watched.
	timer   *time.Timer
	watched bool
}

// attempt is one write for all who joined it.
type attempt struct {
	began time.Time
	goOn  func(error)   // of who writes himself, until it was called
	done  chan struct{} // nil: nobody waits
	err   error         // once done
}

// FlushHere is Flush for one who must not wait for a goroutine each time: he writes
// himself. When that takes longer than disk.Patience goOn is called with that error, by
// another goroutine, which takes his place; FlushHere is false then, when the disk
// answers at last. Otherwise goOn is not called.
func (s *Store) FlushHere(goOn func(error)) (bool, error) {
	if s.journal.written.Load() >= s.queued.Load() {
		return true, nil
	}
	a := &attempt{began: time.Now(), goOn: goOn}
	if !s.writeHere(a) {
		return true, s.Flush()
	}
	err := s.disks.journal.Do(s.flushQueue)
	if next := s.writer.turn(); next != nil {
		go s.write(next)
	}
	return a.goOn != nil, err
}

// writeHere makes an attempt the one under way, unless there is one.
func (s *Store) writeHere(a *attempt) bool {
	w := &s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy != nil {
		return false
	}
	w.busy = a
	switch {
	case w.watched:
	case w.timer == nil:
		w.timer = time.AfterFunc(disk.Patience, s.look)
	default:
		w.timer.Reset(disk.Patience)
	}
	w.watched = true
	return true
}

// look has what who writes himself was about to do go on, when he has for too long. One
// timer watches all who come while it runs, because to set one costs as much as a write.
func (s *Store) look() {
	w := &s.writer
	w.mu.Lock()
	a := w.busy
	if a == nil || a.goOn == nil {
		w.watched = false
		w.mu.Unlock()
		return
	}
	if left := disk.Patience - time.Since(a.began); left > 0 {
		w.timer.Reset(left)
		w.mu.Unlock()
		return
	}
	goOn := a.goOn
	a.goOn, w.watched = nil, false
	w.mu.Unlock()
	goOn(s.late())
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
	return w.next, time.Since(w.busy.began) >= disk.Patience
}

// write makes an attempt, and those that were asked for meanwhile.
func (s *Store) write(a *attempt) {
	for a != nil {
		a.err = s.disks.journal.Do(s.flushQueue)
		done := a.done
		a = s.writer.turn()
		close(done)
	}
}

// turn ends the attempt under way, and returns the one that is now.
func (w *writer) turn() *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy, w.next = w.next, nil
	if w.busy != nil {
		w.busy.began = time.Now()
	}
	return w.busy
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
