package location

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/disk"
)

// journal is the file that Flush appends to. There is one generation that is
// written and any number of older ones that wait to be folded into the base.
type journal struct {
	mu      sync.Mutex // held for a write
	file    *os.File   // nil until it could be made
	gen     uint64
	size    int64
	born    time.Time
	written atomic.Uint64 // all Puts up to this count are in
	buf     []byte
	batch   []*slot
	old     []oldJournal // whose content the base may lack

	syncMu   sync.Mutex // held for an fsync, never with mu
	unsynced bool       // guarded by mu
	unnamed  bool       // a file's name is not synced; guarded by mu
}

type oldJournal struct {
	path    string
	size    int64
	damaged error // to be set aside, not deleted
}

const journalPrefix = "location.journal."

func (s *Store) journalPath(gen uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s%08d", journalPrefix, gen))
}

// journalGens lists the generations on disk, the oldest first.
func journalGens(dir string) ([]uint64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var gens []uint64
	for _, f := range files {
		if digits, ok := strings.CutPrefix(f.Name(), journalPrefix); ok {
			if gen, err := strconv.ParseUint(digits, 10, 64); err == nil {
				gens = append(gens, gen)
			}
		}
	}
	slices.Sort(gens)
	return gens, nil
}

// Flush writes what Put, Delete and Raise queued; after it kill -9 loses
// nothing of that, and a power failure loses it for one second at most. Callers
// that come together share one write. An error (disk full) leaves the memory
// right; what was not written stays queued and goes with a later Flush. It waits no
// longer than disk.Patience: a disk that doesn't answer is an error too, and while it
// doesn't nobody waits at all.
func (s *Store) Flush() error {
	if s.journal.written.Load() >= s.queued.Load() {
		return nil
	}
	a, late := s.join()
	if late {
		return s.late()
	}
	return s.await(a)
}

// flushQueue writes what is queued; one goroutine at a time.
func (s *Store) flushQueue() error {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.written.Load() >= s.queued.Load() {
		return nil
	}
	return s.health.report(s.log, "journal", s.flush())
}

// flush writes the queue in one write; the caller holds journal.mu.
func (s *Store) flush() error {
	j := &s.journal
	if err := s.openJournal(); err != nil {
		return err
	}
	upto, word := s.drain()
	err := s.append()
	if err != nil {
		s.requeue(word)
		return err
	}
	j.unsynced = true
	j.written.Store(upto)
	return nil
}

// drain moves the queue into the journal's buffer. The slots of the batch are
// marked as the base's debt already: they stay so whatever becomes of the write.
func (s *Store) drain() (upto uint64, hasWord bool) {
	j := &s.journal
	s.mu.Lock()
	defer s.mu.Unlock()
	upto = s.queued.Load()
	j.buf = j.buf[:0]
	if s.metaNew {
		j.buf, hasWord = appendFrame(j.buf, s.word().encode()), true
	}
	j.batch, s.dirty = s.dirty, j.batch[:0]
	s.metaNew = false
	for _, sl := range walk.Slice(&s.mu, j.batch) {
		j.buf = appendFrame(j.buf, framed(sl.blob))
		sl.dirty = false // what changes from here on is in the next batch
		s.owe(sl)
	}
	return upto, hasWord
}

// framed is what the journal gets for a slot. Behind a frame longer than
// maxPayload its reader would find nothing more, so of such an entry it gets
// a tombstone: until the base has it, a restart does not know its DN.
func framed(blob string) string {
	if len(blob) <= maxPayload {
		return blob
	}
	return encodeGone(blobNumber(blob))
}

// owe notes that the base lacks sl; the caller holds mu.
func (s *Store) owe(sl *slot) {
	if !sl.changed {
		sl.changed = true
		s.changed = append(s.changed, sl)
	}
}

func (s *Store) requeue(hasWord bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metaNew = s.metaNew || hasWord
	for _, sl := range walk.Slice(&s.mu, s.journal.batch) {
		if !sl.dirty {
			sl.dirty = true
			s.dirty = append(s.dirty, sl)
		}
	}
}

func (s *Store) word() word {
	return word{meta: s.meta, number: s.clock.number, boot: s.clock.boots[s.clock.number]}
}

// openJournal makes the next generation's file when there is none open. It
// starts with a word of the store, since it may outlive the base.
func (s *Store) openJournal() error {
	j := &s.journal
	if j.file != nil {
		return nil
	}
	f, err := os.OpenFile(s.journalPath(j.gen+1), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("location store: %w", err)
	}
	s.mu.RLock()
	head := appendFrame([]byte(journalMagic), s.word().encode())
	s.mu.RUnlock()
	if _, err := f.Write(head); err != nil {
		return errors.Join(fmt.Errorf("location store: write %s: %w", f.Name(), err), f.Close(), os.Remove(f.Name()))
	}
	j.file, j.size, j.born = f, int64(len(head)), s.now()
	j.gen++
	j.unsynced, j.unnamed = true, true
	return nil
}

// append writes the buffer behind the last sound frame. What a failed write
// left there is cut off; where even that fails, a new file has to follow.
func (s *Store) append() error {
	j := &s.journal
	name := j.file.Name()
	n, err := j.file.Write(j.buf)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, s.cut())
		}
		return fmt.Errorf("location store: write %s: %w", name, err)
	}
	j.size += int64(n)
	if cap(j.buf) > 1<<20 {
		j.buf = nil
	}
	return nil
}

func (s *Store) cut() error {
	j := &s.journal
	if j.file.Truncate(j.size) == nil {
		if _, err := j.file.Seek(j.size, io.SeekStart); err == nil {
			return nil
		}
	}
	return s.retire()
}

// retire ends the journal's file, which the next fold makes superfluous; the
// caller holds journal.mu.
func (s *Store) retire() error {
	j := &s.journal
	f := j.file
	j.old = append(j.old, oldJournal{path: f.Name(), size: j.size})
	j.file, j.size, j.unsynced = nil, 0, false
	return s.seal(f)
}

// seal syncs and closes a file that nothing is written to any more.
func (s *Store) seal(f *os.File) error {
	if err := s.disks.sync.Do(func() error { return errors.Join(f.Sync(), f.Close()) }); err != nil {
		s.distrustJournal()
		return fmt.Errorf("location store: sync %s: %w", f.Name(), err)
	}
	return nil
}

// sync brings what was written to the disk, and the names of the files.
func (s *Store) sync() error {
	j := &s.journal
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	j.mu.Lock()
	f, todo, unnamed := j.file, j.unsynced, j.unnamed
	j.unsynced, j.unnamed = false, false
	j.mu.Unlock()
	if f != nil && todo {
		if err := f.Sync(); err != nil {
			return errors.Join(fmt.Errorf("location store: sync %s: %w", f.Name(), err), s.abandon(f))
		}
	}
	if !unnamed {
		return nil
	}
	err := disk.SyncDir(s.dir)
	if err != nil {
		j.mu.Lock()
		j.unnamed = true
		j.mu.Unlock()
	}
	return err
}

// abandon is told of a failed fsync of f: the kernel may have dropped pages of
// it, and says at the next fsync that all is well. So nothing more is written
// there, and what it held goes into a new file.
func (s *Store) abandon(f *os.File) error {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unnamed = true
	s.distrustJournal()
	if j.file != f {
		return nil // retired meanwhile
	}
	j.old = append(j.old, oldJournal{path: f.Name(), size: j.size})
	j.file, j.size = nil, 0
	return f.Close()
}

// distrustJournal queues all that the base lacks: the journals may have lost it.
func (s *Store) distrustJournal() {
	s.mu.Lock()
	s.suspect, s.metaNew = true, true
	s.mu.Unlock()
	s.dirtyAll()
}

// distrustBase has all entries written to a base made anew.
func (s *Store) distrustBase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspect, s.rebuild = true, true
	for _, sl := range walk.Map(&s.mu, s.slots) {
		s.owe(sl)
	}
}
