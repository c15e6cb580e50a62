// Package location keeps the bindings of the DNs that are registered at this
// node: which phone may be reached where, and until when. Everything is in
// memory; a journal in front of a bbolt file brings it back after a crash.
//
// The registrar of package sip is the only writer: it calls Put for what it
// accepted, then Flush, and answers 200 after that. Nothing here knows SIP
// beyond the words it stores and the parts of a Contact, and nothing leaves the node: a peer needs no
// phone's address.
package location

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// ErrInUse says that another process has the store open.
var ErrInUse = errors.New("another sipcluster server uses this data directory")

// Config of a Store.
type Config struct {
	// Dir holds the store's files; it is made when missing.
	Dir string
	// Now is the clock; nil means time.Now. What it returns should carry a
	// monotonic reading, so that a stepped wall clock moves no expiry.
	Now func() time.Time
	// Log takes one line per change of health; nil means slog.Default().
	Log *slog.Logger
}

// Store holds the bindings of this node. Its methods may be called by many
// goroutines at once.
type Store struct {
	dir   string
	now   func() time.Time
	log   *slog.Logger
	clock clock
	then  clock // as clock was at the start; nobody changes it
	tune  tuning
	lock  *os.File

	mu       sync.RWMutex
	slots    map[dn.Number]*slot
	base     *bolt.DB // of which slots have a part yet; nil when they have all
	live     int      // slots that are not gone
	dirty    []*slot  // not in the journal yet
	changed  []*slot  // in the journal, not in the base yet
	folding  []*slot  // those of them that a fold under way has taken
	wheel    wheel
	contacts contacts
	meta     Meta
	metaNew  bool // meta has to be written
	suspect  bool // the journal or the base lost something: fold soon
	rebuild  bool // the base is to be made anew, of all slots
	queued   atomic.Uint64

	journal journal // has a lock of its own, taken before mu
	writer  writer
	disks   disks
	health  health
}

// slot is the place of one DN. Its fields are guarded by Store.mu.
type slot struct {
	blob     string // the encoded Entry, or the tombstone when gone
	contacts uint64 // the sum of the Contacts by which it is found, 0 = none
	due      uint32 // second in whose bucket the slot lies, 0 = none
	dirty    bool
	changed  bool
	gone     bool
	loaded   bool // by Load, and neither asked for meanwhile nor changed since
}

// disks know what is under way in the file system: writes of the journal, which
// somebody waits for, its fsyncs, and the base.
type disks struct{ journal, sync, base *disk.Watch }

// tuning holds what tests make smaller.
type tuning struct {
	foldSize  int64         // journal bytes that start a fold
	foldAge   time.Duration // age of a journal that starts a fold
	foldBatch int           // DNs a bbolt transaction
	retry     time.Duration // pause after a fold that failed
}

var defaults = tuning{foldSize: 32 << 20, foldAge: 5 * time.Minute, foldBatch: 512, retry: 10 * time.Second}

// Meta is what the node has to remember beside its bindings.
type Meta struct {
	// Incarnation is this start's number: greater than that of every earlier
	// start, and on disk before Open returned unless the disk was full.
	Incarnation uint64
	// Floor is the greatest claim time that this node is known to have issued
	// or seen, ns since the epoch.
	Floor int64
}

// Meta returns this start's incarnation and the present floor; right after
// Open the floor is what earlier starts left, dn.Config.Floor.
func (s *Store) Meta() Meta {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.meta
}

// Raise notes a claim time seen elsewhere. It is written with the next Flush.
func (s *Store) Raise(claimTime int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if claimTime > s.meta.Floor {
		s.meta.Floor = claimTime
		s.metaNew = true
		s.queued.Add(1)
	}
}

// Get returns the entry of n, or nil. The caller owns it.
func (s *Store) Get(n dn.Number) *Entry {
	s.mu.RLock()
	sl, base := s.slots[n], s.base
	blob := liveBlob(sl)
	s.mu.RUnlock()
	if base != nil {
		blob = s.fetch(base, n)
	}
	return s.decode(blob)
}

// GetBytes is Get for a number in a buffer, which it does not keep.
func (s *Store) GetBytes(n []byte) *Entry {
	s.mu.RLock()
	sl, base := s.slots[dn.Number(n)], s.base
	blob := liveBlob(sl)
	s.mu.RUnlock()
	if base != nil {
		blob = s.fetch(base, dn.Number(n))
	}
	return s.decode(blob)
}

func liveBlob(sl *slot) string {
	if sl == nil || sl.gone {
		return ""
	}
	return sl.blob
}

func (s *Store) decode(blob string) *Entry {
	if blob == "" {
		return nil
	}
	x := &single{}
	s.decodeInto(x, blob)
	return &x.Entry
}

// decodeInto reads an entry of the store's own.
func (s *Store) decodeInto(x *single, blob string) {
	if _, err := x.decode(blob, s.clock); err != nil {
		panic("location: an entry of our own does not decode: " + err.Error())
	}
}

// Put replaces the entry of e.Record.Number: in memory at once, in the journal
// with the next Flush. The store does not keep e. An entry of more than 4 MiB
// is no phone's: it holds, but a crash may lose it.
func (s *Store) Put(e *Entry) {
	blob := encodeEntry(e, s.clock)
	if len(blob) > maxPayload {
		s.log.Error("bindings are too long for the location store: a restart may lose them", "dn", string(e.Record.Number), "bytes", len(blob))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[e.Record.Number]
	if sl == nil {
		sl = &slot{}
		s.live++
	} else if sl.gone {
		s.live++
	}
	s.reach(sl, e.Bindings)
	sl.blob, sl.gone, sl.loaded = blob, false, false
	// The map's key is a part of the blob and moves with it.
	s.slots[blobNumber(blob)] = sl
	s.meta.Floor = max(s.meta.Floor, e.Record.ClaimTime)
	s.enqueue(sl)
	s.schedule(sl, e.earliest())
}

// Delete removes the entry of n, in memory at once.
func (s *Store) Delete(n dn.Number) {
	s.mu.RLock()
	base := s.base
	s.mu.RUnlock()
	if base != nil {
		s.fetch(base, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[n]
	if sl == nil || sl.gone {
		return
	}
	s.reach(sl, nil)
	sl.blob, sl.gone, sl.loaded = encodeGone(n), true, false
	s.slots[blobNumber(sl.blob)] = sl
	s.live--
	s.enqueue(sl)
}

func (s *Store) enqueue(sl *slot) {
	s.queued.Add(1)
	if !sl.dirty {
		sl.dirty = true
		s.dirty = append(s.dirty, sl)
	}
}

// Len counts the entries.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.live
}

// Numbers are those of all entries, in no order. What comes meanwhile may be missing, what
// goes and comes back be there twice.
func (s *Store) Numbers() []dn.Number {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]dn.Number, 0, s.live)
	for n, sl := range walk.Map(s.mu.RLocker(), s.slots) {
		if !sl.gone {
			out = append(out, n)
		}
	}
	return out
}

// rangePiece is how many entries Range decodes ahead.
const rangePiece = 512

// Range calls fn for every entry in order of number, until it returns false; what comes
// meanwhile may be missing. It holds no lock while fn runs, which does not keep the entry.
// Entries are decoded beside what fn does with those before them, so that a node that starts
// uses two cores.
func (s *Store) Range(fn func(*Entry) bool) {
	all := s.inOrder()
	ended, free, pieces := make(chan struct{}), make(chan []single, 2), make(chan []single, 1)
	for range cap(free) {
		free <- make([]single, 0, min(rangePiece, len(all)))
	}
	var decoder sync.WaitGroup
	defer decoder.Wait()
	defer close(ended)
	decoder.Go(func() {
		defer close(pieces)
		for some := range slices.Chunk(all, rangePiece) {
			select {
			case piece := <-free:
				pieces <- s.some(piece[:0], some)
			case <-ended:
				return
			}
		}
	})
	for piece := range pieces {
		for i := range piece {
			if !fn(&piece[i].Entry) {
				return
			}
		}
		free <- piece
	}
}

// held is a slot and whose it is.
type held struct {
	number dn.Number
	slot   *slot
}

// inOrder are the slots of the entries in order of number.
func (s *Store) inOrder() []held {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]held, 0, s.live)
	for n, sl := range walk.Map(s.mu.RLocker(), s.slots) {
		if !sl.gone {
			all = append(all, held{n, sl})
		}
	}
	slices.SortFunc(all, func(a, b held) int { return strings.Compare(string(a.number), string(b.number)) })
	return slices.CompactFunc(all, func(a, b held) bool { return a.number == b.number })
}

// some are the entries of those slots that are there, in the room of piece.
func (s *Store) some(piece []single, slots []held) []single {
	for _, h := range slots {
		s.mu.RLock()
		blob := liveBlob(h.slot)
		s.mu.RUnlock()
		if blob == "" {
			continue
		}
		piece = piece[:len(piece)+1]
		s.decodeInto(&piece[len(piece)-1], blob)
	}
	return piece
}
