package location

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// loadPiece is how many entries come in under one hold of the lock.
const loadPiece = 512

// Load brings in what lies in the base and was not asked for yet, unless ctx ends. Call it
// once; all but Close may be called meanwhile. Of a damaged base nothing comes in but what was asked
// for: it is set aside.
func (s *Store) Load(ctx context.Context) error {
	s.mu.RLock()
	base := s.base
	s.mu.RUnlock()
	if base == nil {
		return nil
	}
	damaged := disk.Guard(func() error { return base.View(func(tx *bolt.Tx) error { return s.load(ctx, tx) }) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // what was not brought in is in the base still
	case errors.Is(damaged, disk.ErrDamaged):
		s.unload()
	case damaged != nil:
		return fmt.Errorf("location store: read %s: %w", s.basePath(), damaged)
	}
	return errors.Join(s.closeEntries(), s.clearAway(damaged))
}

func (s *Store) allLoaded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.base == nil
}

// closeEntries ends what openEntries began.
func (s *Store) closeEntries() error {
	s.mu.Lock()
	base := s.base
	s.base = nil
	s.mu.Unlock()
	if base == nil {
		return nil
	}
	return base.Close()
}

func (s *Store) load(ctx context.Context, tx *bolt.Tx) error {
	b := tx.Bucket(bucketEntries)
	if b == nil {
		return nil
	}
	var read single
	piece := make([]found, 0, loadPiece)
	err := readBucket(tx, bucketEntries, func(payload string) error {
		one, err := s.examine(&read, payload)
		if err != nil {
			return err
		}
		if piece = append(piece, one); len(piece) == cap(piece) {
			s.take(piece)
			piece = piece[:0]
			return ctx.Err()
		}
		return nil
	})
	if err == nil {
		s.take(piece)
	}
	return err
}

// found is an entry that was read, and what adopt has to know of it.
type found struct {
	payload string
	claim   int64
	ends    time.Time
	moved   bool // it was written in another boot
}

// examine reads the payload of an entry into e, by the clock of the start: so nobody is in
// the way of who notes the present one's steps.
func (s *Store) examine(e *single, payload string) (f found, err error) {
	moved, err := e.decode(payload, s.then)
	return found{payload, e.Record.ClaimTime, e.earliest(), moved}, err
}

// bytesEach is what a DN takes in a base at least, as far as room for DNs goes.
const bytesEach = 256

// expect makes room for the DNs of a base of that size, before there are any.
func (s *Store) expect(size int) {
	s.slots = make(map[dn.Number]*slot, size/bytesEach)
	s.contacts.at = make(map[uint64]holders, 2*size/bytesEach) // by user and by host
}

// take brings entries in, but those of DNs that have a slot: what is there is newer.
func (s *Store) take(piece []found) {
	room := make([]slot, len(piece))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range piece {
		if n := blobNumber(piece[i].payload); s.slots[n] == nil {
			room[i].loaded = true
			s.adopt(&room[i], &piece[i])
		}
	}
}

// adopt makes what was read that of a slot, in the words of the present boot, and puts it
// on the wheel; the caller holds mu or is alone.
func (s *Store) adopt(sl *slot, f *found) {
	sl.blob = f.payload
	if f.moved {
		e, _, err := decodeEntry(f.payload, s.then)
		if err != nil {
			panic("location: an entry that was read does not decode: " + err.Error())
		}
		sl.blob = encodeEntry(e, s.clock)
		s.owe(sl)
	}
	// The map's key is a part of the blob and moves with it.
	s.slots[blobNumber(sl.blob)] = sl
	s.live++
	s.meta.Floor = max(s.meta.Floor, f.claim)
	s.contacts.late = append(s.contacts.late, sl)
	s.schedule(sl, f.ends)
}

// fetch is what is known of a DN while the base is read, "" for nothing: where there is no
// slot the base is asked. Whoever asked goes by the answer, so it is known from then on,
// should the base turn out to be damaged.
func (s *Store) fetch(base *bolt.DB, n dn.Number) string {
	if blob, known := s.rely(n, found{}); known {
		return blob
	}
	blob, _ := s.rely(n, s.lookUp(base, n))
	return blob
}

// rely makes what was found in the base that of a DN without a slot, and leaves what is known
// of a DN to no damage of the base.
func (s *Store) rely(n dn.Number, f found) (blob string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[n]
	switch {
	case sl == nil && f.payload == "":
		return "", false
	case sl == nil:
		sl = &slot{}
		s.adopt(sl, &f)
		s.owe(sl)
	case sl.loaded:
		sl.loaded = false
		s.owe(sl)
	}
	return liveBlob(sl), true
}

// lookUp reads the entry of a DN in the base, if it is there.
func (s *Store) lookUp(base *bolt.DB, n dn.Number) (f found) {
	_ = disk.Guard(func() error { // what is damaged is Load's to tell; what was closed was loaded
		return base.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketEntries)
			if b == nil {
				return nil
			}
			v := b.Get([]byte(n))
			if v == nil {
				return nil
			}
			payload, err := basePayload(v)
			if err != nil {
				return err
			}
			one, err := s.examine(&single{}, payload)
			if err == nil && blobNumber(payload) == n {
				f = one
			}
			return err
		})
	})
	return f
}

// unload takes back what Load brought in and nobody has asked for or changed since.
func (s *Store) unload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, sl := range walk.Map(&s.mu, s.slots) {
		if sl.loaded {
			s.reach(sl, nil)
			sl.blob, sl.gone = encodeGone(n), true // for who has the slot still
			delete(s.slots, n)
			s.live--
		}
	}
}
