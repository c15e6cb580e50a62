package location

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// maxOld is the count of old journals that starts a fold: a server that
// restarts again and again leaves one each time.
const maxOld = 8

// Run brings what was flushed to the disk every second and folds the journal
// into the base when it is big or old, until ctx ends. It may be called before Load, and
// again after that, for which it leaves what only hinders it.
func (s *Store) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.allLoaded() {
		g.Go(func() error { s.catchUp(); return nil })
	}
	g.Go(func() error { return s.tick(ctx, s.second) })
	g.Go(func() error { return s.tick(ctx, s.foldWhenDue()) })
	return g.Wait()
}

func (s *Store) tick(ctx context.Context, fn func()) error {
	t := beat.New(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			t.Again()
			fn()
		}
	}
}

// second flushes what a failed Flush left, and syncs. The errors are in Failing.
func (s *Store) second() {
	s.watchClock()
	_ = s.Flush()
	_ = s.health.report(s.log, "sync", s.disks.sync.Do(s.sync))
}

// watchClock notes a step of the wall clock, for a start after the next boot.
func (s *Store) watchClock() {
	s.noteAhead(s.clock.ahead(s.now()))
}

func (s *Store) noteAhead(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.clock.boots[s.clock.number]
	if (ahead - info.ahead).Abs() > 100*time.Millisecond {
		info.ahead = ahead
		s.clock.boots[s.clock.number] = info
		s.metaNew = true
		s.queued.Add(1)
	}
}

// foldWhenDue returns the fold's part of each second.
func (s *Store) foldWhenDue() func() {
	var notBefore time.Time
	return func() {
		now := s.now()
		if now.Before(notBefore) || !s.foldDue(now) {
			return
		}
		if s.health.report(s.log, "base", s.fold()) != nil {
			notBefore = now.Add(s.tune.retry)
		}
	}
}

func (s *Store) foldDue(now time.Time) bool {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	size := j.size
	for _, o := range j.old {
		size += o.size
	}
	if !s.allLoaded() {
		return false // the base can't be written while it is read
	}
	s.mu.RLock()
	owed, suspect := len(s.changed), s.suspect
	s.mu.RUnlock()
	return suspect || owed > 0 && (size >= s.tune.foldSize || len(j.old) >= maxOld || now.Sub(j.born) >= s.tune.foldAge)
}

// fold starts a new journal, writes all that the base lacks into it in bounded
// transactions, and deletes the older journals. Put and Flush go on meanwhile.
// After an error everything is owed still.
func (s *Store) fold() error {
	old, err := s.rotate()
	if err != nil {
		return err
	}
	owed := s.takeOwed()
	err = disk.Guard(func() error { return s.writeBase(owed) })
	if err != nil {
		s.oweAgain(owed)
	}
	switch {
	case errors.Is(err, disk.ErrDamaged):
		err = errors.Join(err, s.setAside(s.basePath(), err))
		s.distrustBase()
	case err != nil && !noRoom(err):
		s.distrustBase()
	}
	if err != nil {
		return fmt.Errorf("location store: fold the journal into %s: %w", s.basePath(), err)
	}
	if err := s.dropOld(old); err != nil {
		s.oweAgain(owed) // what an old journal says must be overruled as long as it is there
		return err
	}
	s.forget(owed)
	return nil
}

// debt is a slot that the base lacks, with the number to sort it by.
type debt struct {
	number dn.Number
	*slot
}

// takeOwed takes over the changed slots, in the order of the base's pages.
func (s *Store) takeOwed() []debt {
	s.mu.Lock()
	changed := s.changed
	s.changed, s.folding, s.suspect = nil, changed, false
	owed := make([]debt, len(changed))
	for i, sl := range walk.Slice(&s.mu, changed) {
		sl.changed = false // what changes from here on is owed again
		owed[i] = debt{blobNumber(sl.blob), sl}
	}
	s.mu.Unlock()
	slices.SortFunc(owed, func(a, b debt) int { return cmp.Compare(a.number, b.number) })
	return owed
}

func (s *Store) writeBase(owed []debt) error {
	s.mu.RLock()
	rebuild := s.rebuild
	s.mu.RUnlock()
	if rebuild {
		return s.rebuildBase(owed)
	}
	return s.writeFile(s.basePath(), owed)
}

// rebuildBase replaces the base after a write that failed: what the kernel
// shows of its pages need not be what the disk has. Everything is owed then.
func (s *Store) rebuildBase(owed []debt) error {
	path := s.basePath() + ".rebuilt"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := s.writeFile(path, owed); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(path, s.basePath()), disk.SyncDir(s.dir)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rebuild = false
	return nil
}

func (s *Store) writeFile(path string, owed []debt) error {
	var db *bolt.DB
	err := s.disks.base.Do(func() (err error) {
		if err = disk.MakeBolt(path); err == nil {
			db, err = openBase(path, false)
		}
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(s.writeSlots(db, owed), s.disks.base.Do(db.Close))
}

func (s *Store) writeSlots(db *bolt.DB, owed []debt) error {
	if err := s.disks.base.Do(func() error { return putWords(db, s.words(true)) }); err != nil {
		return err
	}
	for batch := range slices.Chunk(owed, s.tune.foldBatch) {
		blobs := make([]string, len(batch))
		s.mu.RLock()
		for i, sl := range batch {
			blobs[i] = sl.blob
		}
		s.mu.RUnlock()
		if err := s.disks.base.Do(func() error { return putSlots(db, blobs) }); err != nil {
			return err
		}
	}
	return s.disks.base.Do(func() error { return putWords(db, s.words(false)) })
}

// words are the store's words, those of earlier boots with them as long as the
// base may hold entries of theirs.
func (s *Store) words(all bool) []word {
	s.mu.RLock()
	defer s.mu.RUnlock()
	words := []word{s.word()}
	for n, info := range s.clock.boots {
		if all && n != s.clock.number {
			words = append(words, word{meta: s.meta, number: n, boot: info})
		}
	}
	return words
}

// rotate ends the present journal; the next Flush starts a new one. When a
// fold failed before, the old ones are enough until the present one is big
// too. It returns how many journals the fold will make superfluous.
func (s *Store) rotate() (old int, err error) {
	j := &s.journal
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	j.mu.Lock()
	f := j.file
	if f != nil && (len(j.old) == 0 || j.size >= s.tune.foldSize) {
		j.old = append(j.old, oldJournal{path: f.Name(), size: j.size})
		j.file, j.size, j.unsynced = nil, 0, false
	} else {
		f = nil
	}
	old = len(j.old)
	j.born = s.now()
	j.mu.Unlock()
	if f == nil {
		return old, nil
	}
	return old, s.seal(f)
}

func (s *Store) oweAgain(owed []debt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspect, s.folding = true, nil
	for _, d := range walk.Slice(&s.mu, owed) {
		s.owe(d.slot)
	}
}

// forget drops the slots of deleted DNs that the base has dropped too.
func (s *Store) forget(owed []debt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folding = nil
	for _, sl := range walk.Slice(&s.mu, owed) {
		if sl.gone && !sl.dirty && !sl.changed {
			delete(s.slots, sl.number)
		}
	}
}

// dropOld deletes the n oldest journals, which are folded.
func (s *Store) dropOld(n int) error {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, o := range j.old[:n] {
		if err := s.drop(o); err != nil {
			return fmt.Errorf("location store: %w", err)
		}
		j.old = j.old[1:]
	}
	return disk.SyncDir(s.dir) // before another file gets the same number
}

func (s *Store) drop(o oldJournal) error {
	if o.damaged != nil {
		return s.setAside(o.path, o.damaged)
	}
	if err := os.Remove(o.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close flushes, syncs and gives the directory free. Run must have ended.
func (s *Store) Close() error {
	closed := s.closeEntries()
	err := errors.Join(s.flushQueue(), s.sync())
	if err != nil { // once more, into another file
		err = errors.Join(s.flushQueue(), s.sync())
	}
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		err = errors.Join(err, j.file.Close())
		j.file = nil
	}
	return errors.Join(err, closed, s.lock.Close())
}
