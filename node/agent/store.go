package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// ErrInUse says that another process has the agent store open.
var ErrInUse = errors.New("another sipcluster server uses this data directory")

const (
	// storeTimeout is how long an answer waits for a disk that hangs: while it hangs for
	// longer, none does.
	storeTimeout = time.Second
	// storeRetry is the pause after a write that failed.
	storeRetry = time.Second
)

// store keeps the agents and reservations of the DNs that this node keeps
// over a restart. What the disk does not take stays in memory for later.
type store struct {
	path string
	log  *slog.Logger
	disk *disk.Watch

	mu   sync.Mutex
	file *boltFile // nil while it can't be opened
	// old is what was read at the start.
	old []dn.Record
	// words are the newest ones put, stored or to be.
	words map[dn.Number]word
	// dirty values are to be stored; nil deletes. pending is closed when the
	// attempt to store them was made.
	dirty   map[dn.Number][]byte
	pending chan struct{}
	wake    wake.Signal
	broken  error
	// stored is closed: nothing is left to store.
	stored chan struct{}
	// lost wakes the one who can put everything again into a fresh file.
	lost wake.Signal
}

// word is what was put last.
type word struct {
	claim int64
	seq   uint32
	agent *dn.Agent
	desks *dn.Desks
	// reserved as of then.
	reserved dn.Reservation
	then     time.Time
	// dnd, and until when the DN is left alone and the agent's state lasts.
	dnd        bool
	cool, ends time.Time
	// attempt is closed when the attempt to store it was made.
	attempt <-chan struct{}
}

func wordOf(r *dn.Record, now time.Time, attempt <-chan struct{}) word {
	w := word{claim: r.ClaimTime, seq: r.Seq, agent: r.Agent, desks: r.Desks, reserved: r.Reserved, then: now, dnd: r.DoNotDisturb, attempt: attempt}
	if r.CoolLeft > 0 {
		w.cool = now.Add(time.Duration(r.CoolLeft))
	}
	if r.AgentLeft > 0 {
		w.ends = now.Add(time.Duration(r.AgentLeft))
	}
	return w
}

// says tells whether a record says the same under the word's claim.
func (w *word) says(r *dn.Record, now time.Time) bool {
	same := func(was time.Time, left int64) bool {
		return was.IsZero() == (left == 0) && (left == 0 || was.Sub(now.Add(time.Duration(left))).Abs() < time.Second)
	}
	return r.DoNotDisturb == w.dnd && same(w.cool, r.CoolLeft) && same(w.ends, r.AgentLeft) && r.Agent.Same(w.agent) && r.Desks.Equal(w.desks) && w.reserves(r.Reserved, now)
}

// reserves tells whether it was reserved for the same holders, about as long.
func (w *word) reserves(r dn.Reservation, now time.Time) bool {
	for x := range r.All() {
		was, has := w.reserved.Of(x.Holder)
		if !has || (w.then.Add(time.Duration(was.Left))).Sub(now.Add(time.Duration(x.Left))).Abs() >= time.Second {
			return false
		}
	}
	return r.Len() == w.reserved.Len()
}

func openStore(dir string, log *slog.Logger) (*store, error) {
	s := &store{
		path: filepath.Join(dir, "agents.db"), log: log, disk: disk.NewWatch("agents.db"), words: map[dn.Number]word{}, dirty: map[dn.Number][]byte{},
		pending: make(chan struct{}), wake: wake.New(), stored: make(chan struct{}), lost: wake.New(),
	}
	close(s.stored)
	err := disk.MakeDir(dir, 0o700)
	fresh := false
	if err == nil {
		s.file, s.old, fresh, err = openFile(s.path, log)
	}
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	s.report(err)
	now := time.Now()
	for i := range s.old {
		r := &s.old[i]
		w := wordOf(r, now, s.stored)
		w.seq = 0
		s.words[r.Number] = w
		if fresh {
			s.write(r.Number, encodeAgent(r, now))
		}
	}
	return s, nil
}

// restored is what was read at the start; it is kept no longer.
func (s *store) restored() []dn.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.old
	s.old = nil
	return old
}

// put stores a record's agent and reservation, unless something newer was put
// or nothing changed. The channel is closed when the attempt was made.
func (s *store) put(r *dn.Record) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	old, known := s.words[r.Number]
	older := r.ClaimTime < old.claim || r.ClaimTime == old.claim && r.Seq < old.seq
	if known && (older || r.ClaimTime == old.claim && old.says(r, now)) {
		return old.attempt
	}
	s.write(r.Number, encodeAgent(r, now))
	s.words[r.Number] = wordOf(r, now, s.pending)
	return s.pending
}

// drop removes a DN.
func (s *store) drop(n dn.Number) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.words[n]; !known {
		return s.stored
	}
	delete(s.words, n)
	s.write(n, nil)
	return s.pending
}

func (s *store) write(n dn.Number, value []byte) {
	s.dirty[n] = value
	s.wake.Send()
}

// has tells whether something of the DN is stored, or to be.
func (s *store) has(n dn.Number) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.words[n]
	return known
}

// numbers of the DNs that are stored or to be.
func (s *store) numbers() []dn.Number {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]dn.Number, 0, len(s.words))
	for n := range walk.Map(&s.mu, s.words) {
		all = append(all, n)
	}
	return all
}

// await waits until the attempt to store was made, not for a disk that fails, and
// not long for one that hangs.
func (s *store) await(ctx context.Context, attempt <-chan struct{}) {
	if s.failing() != nil {
		return
	}
	limit := time.NewTimer(storeTimeout)
	defer limit.Stop()
	select {
	case <-attempt:
	case <-ctx.Done():
	case <-limit.C:
	}
}

// run stores what is put, all that came meanwhile in one transaction, until the
// context ends.
func (s *store) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		}
		for err := s.commit(); err != nil; err = s.commit() {
			if errors.Is(err, errFresh) {
				continue
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(storeRetry):
			}
		}
	}
}

// commit stores what is dirty. Only one goroutine may.
func (s *store) commit() error {
	s.mu.Lock()
	batch, attempt, file := s.dirty, s.pending, s.file
	s.dirty, s.pending = map[dn.Number][]byte{}, make(chan struct{})
	s.mu.Unlock()
	defer close(attempt)
	err := s.disk.Do(func() error { return s.writeBatch(file, batch) })
	if err != nil {
		s.takeBack(batch)
	}
	s.report(err)
	return err
}

func (s *store) writeBatch(file *boltFile, batch map[dn.Number][]byte) error {
	if file == nil {
		return s.reopen()
	}
	err := file.write(batch)
	if err == nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	// What the kernel shows of a file after a failed fsync need not be on the disk.
	return s.replace(file, err)
}

// takeBack makes a batch dirty again where nothing newer is.
func (s *store) takeBack(batch map[dn.Number][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, v := range walk.Map(&s.mu, batch) {
		if _, newer := s.dirty[n]; !newer {
			s.dirty[n] = v
		}
	}
}

// reopen opens the file that could not be opened at the start.
func (s *store) reopen() error {
	if err := disk.MakeDir(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	file, old, _, err := openFile(s.path, s.log)
	return s.swap(file, old, err)
}

// replace starts a fresh file, into which everything has to be put again.
func (s *store) replace(file *boltFile, why error) error {
	err := file.discard(s.path, why, s.log)
	if err != nil {
		return s.swap(nil, nil, err)
	}
	return s.reopen()
}

// swap takes another file with what is in it, and asks for everything again.
func (s *store) swap(file *boltFile, old []dn.Record, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file = file; file == nil {
		return err
	}
	s.words = map[dn.Number]word{}
	for i := range walk.Slice(&s.mu, old) {
		if n := old[i].Number; s.words[n].attempt == nil { // older than all that comes
			s.words[n] = word{attempt: s.stored}
		}
	}
	s.lost.Send()
	return errFresh
}

// errFresh has a batch written again, to another file.
var errFresh = errors.New("a fresh agent store was opened")

// report logs when storing begins to fail, and when it works again.
func (s *store) report(err error) {
	if errors.Is(err, errFresh) {
		return // the next attempt tells
	}
	s.mu.Lock()
	was := s.broken
	s.broken = err
	s.mu.Unlock()
	switch {
	case err != nil && was == nil:
		s.log.Warn("agent store cannot be written; agents stay in memory and are stored when it can", "file", s.path, "err", err)
	case err == nil && was != nil:
		s.log.Info("agent store works again", "file", s.path)
	}
}

func (s *store) failing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.broken, s.disk.Waits(storeTimeout))
}

// close stores what is dirty, after run.
func (s *store) close() error {
	s.mu.Lock()
	dirty := len(s.dirty) > 0
	s.mu.Unlock()
	if dirty {
		_ = s.commit() // it was reported; the next start finds what was stored before
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	return file.close()
}
