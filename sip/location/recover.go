package location

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Open brings back what an earlier process flushed. A damaged file is set aside
// with a log line, a full disk lets the store work in memory (see Failing).
// ErrInUse says that another process holds the directory.
func Open(cfg Config) (*Store, error) { return open(cfg, readBoot(), defaults) }

// Begin is Open but for what lies in the base, which Load reads: until then it is
// looked up there when somebody asks for a DN. Len, Numbers and Range know of a part.
func Begin(cfg Config) (*Store, error) { return begin(cfg, readBoot(), defaults) }

func open(cfg Config, b boot, tune tuning) (*Store, error) {
	s, err := begin(cfg, b, tune)
	if err == nil {
		if err = s.Load(context.Background()); err == nil {
			return s, nil
		}
		err = errors.Join(err, s.Close())
	}
	return nil, err
}

func begin(cfg Config, b boot, tune tuning) (*Store, error) {
	if cfg.Dir == "" {
		return nil, errors.New("location store: no directory given")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if err := disk.MakeDir(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("location store: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: cfg.Dir, now: cfg.Now, log: cfg.Log, tune: tune, lock: lock, slots: make(map[dn.Number]*slot), contacts: newContacts()}
	s.disks = disks{disk.NewWatch("location journal"), disk.NewWatch("location journal"), disk.NewWatch("location store")}
	s.clock.start = cfg.Now()
	s.wheel = wheel{buckets: make(map[uint32][]*slot), next: 1}
	if err := s.recover(b); err != nil {
		return nil, errors.Join(err, s.closeEntries(), lock.Close())
	}
	return s, nil
}

func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "location.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("location store: %w", err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errors.Join(fmt.Errorf("%w: %s is locked", ErrInUse, path), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("location store: lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// recover reads the base's words, then the journals from the oldest on, and starts this
// process's incarnation in a new journal.
func (s *Store) recover(b boot) error {
	ld := &loader{store: s, words: make(map[uint64]bootInfo)}
	damaged := s.openEntries(ld.takeWord)
	if damaged != nil && !errors.Is(damaged, disk.ErrDamaged) {
		return fmt.Errorf("location store: read %s: %w", s.basePath(), damaged)
	}
	if err := s.readJournals(ld); err != nil {
		return err
	}
	s.settle(b, ld)
	return errors.Join(s.start(), s.clearAway(damaged))
}

// settle takes over what the journals and the words said.
func (s *Store) settle(b boot, ld *loader) {
	s.clock.settle(b, ld.words)
	s.then = s.clock
	s.then.boots = maps.Clone(s.clock.boots)
	s.meta.Floor = ld.meta.Floor
	s.meta.Incarnation = max(uint64(s.clock.start.UnixNano()), ld.meta.Incarnation+1)
	for _, sl := range s.slots {
		if sl.gone {
			continue
		}
		f, err := s.examine(&ld.read, sl.blob)
		if err != nil {
			panic("location: an entry that was read does not decode: " + err.Error())
		}
		s.adopt(sl, &f)
	}
}

// start makes the new incarnation durable, with what was read of damaged
// journals: only then are they set aside. On a full disk it is not; Failing
// says so, the next Flush tries again, and a fold sets them aside.
func (s *Store) start() error {
	s.metaNew = true
	s.queued.Add(1)
	err := s.flushQueue() // nothing is served before
	if err == nil {
		err = s.sync()
	}
	switch {
	case err == nil:
		return s.clearJournals()
	case noRoom(err):
		return nil
	case s.journal.file != nil:
		err = errors.Join(err, s.journal.file.Close())
	}
	return err
}

// clearJournals sets the damaged journals aside.
func (s *Store) clearJournals() error {
	kept := s.journal.old[:0]
	for _, o := range s.journal.old {
		if o.damaged == nil {
			kept = append(kept, o)
		} else if err := s.setAside(o.path, o.damaged); err != nil {
			return err
		}
	}
	s.journal.old = kept
	return nil
}

// clearAway sets the base aside when it is damaged.
func (s *Store) clearAway(damaged error) error {
	if damaged == nil {
		return nil
	}
	return s.setAside(s.basePath(), damaged)
}

// loader takes payloads of journals in the order of their writing.
type loader struct {
	store *Store
	words map[uint64]bootInfo
	meta  Meta
	read  single // the last entry
}

func (ld *loader) take(payload string) error {
	switch payload[0] {
	case kindMeta:
		return ld.takeWord(payload)
	case kindGone:
		r := reader{s: payload[1:]}
		r.number()
		if err := r.end(); err != nil {
			return err
		}
		ld.put(payload, true)
	default:
		if _, err := ld.read.decode(payload, clock{}); err != nil {
			return err
		}
		ld.meta.Floor = max(ld.meta.Floor, ld.read.Record.ClaimTime)
		ld.put(payload, false)
	}
	return nil
}

// put makes the payload that of its number's slot, with which the map's key moves.
func (ld *loader) put(payload string, gone bool) {
	s, n := ld.store, blobNumber(payload)
	sl := s.slots[n]
	if sl == nil {
		sl = &slot{}
	}
	sl.blob, sl.gone = payload, gone
	s.slots[n] = sl
	s.owe(sl)
}

func (ld *loader) takeWord(payload string) error {
	w, err := decodeWord(payload)
	if err != nil {
		return err
	}
	ld.words[w.number] = w.boot
	ld.meta.Incarnation = max(ld.meta.Incarnation, w.meta.Incarnation)
	ld.meta.Floor = max(ld.meta.Floor, w.meta.Floor)
	return nil
}

// readJournals replays all generations and leaves them for the next fold.
func (s *Store) readJournals(ld *loader) error {
	gens, err := journalGens(s.dir)
	if err != nil {
		return fmt.Errorf("location store: %w", err)
	}
	for _, gen := range gens {
		if err := s.readJournal(s.journalPath(gen), ld); err != nil {
			return err
		}
		s.journal.gen = gen
	}
	return nil
}

// dirtyAll queues what the base lacks, or an old journal says otherwise while a fold has not
// removed it: the file that holds it is given up.
func (s *Store) dirtyAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range [...][]*slot{s.folding, s.changed} {
		for _, sl := range walk.Slice(&s.mu, list) {
			if !sl.dirty {
				s.enqueue(sl)
			}
		}
	}
}

// readJournal replays one file. Its torn end is cut off; a file with sound
// frames behind damage, or without our header, is set aside in the end.
func (s *Store) readJournal(path string, ld *loader) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("location store: %w", err)
	}
	good := readFrames(b, ld.take)
	var damaged error
	switch {
	case good == len(b):
	case good == 0 && len(b) > len(journalMagic), hasFrame(b[good:]):
		s.dirtyAll()
		damaged = fmt.Errorf("%d of %d bytes are sound", good, len(b))
	default:
		s.log.Warn("location journal ends in the middle of a write: the end is cut off", "file", path, "kept_bytes", good, "cut_bytes", len(b)-good)
		if err := os.Truncate(path, int64(good)); err != nil {
			return fmt.Errorf("location store: %w", err)
		}
	}
	s.journal.old = append(s.journal.old, oldJournal{path: path, size: int64(good), damaged: damaged})
	return nil
}
