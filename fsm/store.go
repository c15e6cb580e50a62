package fsm

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/disk"
)

// Buckets of the store; an object lies under its key in its wire form.
const (
	bucketMeta    = "meta"
	bucketDN      = "dn"
	bucketGroup   = "group"
	bucketNode    = "node"
	bucketRequest = "request"
	bucketToken   = "token"
	bucketAudit   = "audit"
	bucketInvite  = "invite"

	keyEpoch    = "epoch"
	keyIndex    = "index"
	keyOptions  = "options"
	keySecurity = "security"
	keyLevel    = "level"
)

var buckets = []string{bucketMeta, bucketDN, bucketGroup, bucketNode, bucketRequest, bucketToken, bucketAudit, bucketInvite}

// write is one change of the store; a nil value deletes.
type write struct {
	bucket, key string
	value       []byte
}

func encodeLevel(level uint32) []byte { return binary.BigEndian.AppendUint32(nil, level) }

func seqKey(seq uint64) string { return string(binary.BigEndian.AppendUint64(nil, seq)) }

// store is the durable copy of the View: one transaction a batch.
type store struct {
	path string
	db   *bolt.DB // nil when it is not open
	sum  Sum      // of what is in it
	disk *disk.Watch
}

func newStore(path string) *store { return &store{path: path, disk: disk.NewWatch("config.db")} }

// open opens or makes the file and reads the View but for the DNs.
func (s *store) open() (*View, error) {
	var v *View
	err := s.guard(func() (err error) {
		if err = s.openFile(); err == nil {
			v, err = s.begin()
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return v, nil
}

func (s *store) close() error {
	db := s.db
	if s.db = nil; db == nil {
		return nil
	}
	return db.Close()
}

func (s *store) openFile() error {
	path := s.path
	if err := errors.Join(disk.MakeDir(filepath.Dir(path), 0o700), disk.MakeBolt(path)); err != nil {
		return fmt.Errorf("making the configuration store: %w", err)
	}
	// The list of free pages is stored: without it bbolt looks for them at
	// opening, in a goroutine whose panic over a damaged page nobody can catch.
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s is in use by another process: is the node running already?", path)
	case isFileError(err) && !errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("opening the configuration store: %w", err)
	case err != nil:
		return corrupt(path, err)
	}
	s.db = db
	return nil
}

// isFileError tells the operating system's errors from those of the content.
func isFileError(err error) bool {
	var path *os.PathError
	var errno syscall.Errno
	return errors.As(err, &path) || errors.As(err, &errno)
}

func corrupt(path string, cause any) error {
	return fmt.Errorf("%w: %s: %v: stop the node, move this file away and start the node again: "+
		"it is made anew from the Raft log", ErrCorrupt, path, cause)
}

// guard turns what bbolt does on a damaged file into ErrCorrupt.
func (s *store) guard(fn func() error) error {
	err := disk.Guard(fn)
	if errors.Is(err, disk.ErrDamaged) {
		return corrupt(s.path, err)
	}
	return err
}

// begin reads all but the DNs, which are looked up in the file.
func (s *store) begin() (v *View, err error) {
	if err := s.db.Update(makeBuckets); err != nil {
		return nil, fmt.Errorf("writing %s: %w", s.path, err)
	}
	err = s.db.View(func(tx *bolt.Tx) (err error) {
		v, err = readView(tx)
		return err
	})
	if err != nil {
		return nil, corrupt(s.path, err)
	}
	v.dns.file = &file{db: s.db}
	return v, nil
}

// view calls fn with what stands on the disk.
func (s *store) view(fn func(*bolt.Tx) error) error {
	return s.guard(func() error { return s.db.View(fn) })
}

// load is v with its DNs, unless ctx ends. Nothing is written meanwhile. DNs are read and
// put in their places side by side, and what stands there is summed.
func (s *store) load(ctx context.Context, v *View) (*View, error) {
	next := *v
	next.dns, next.dids = newDNs(), newTree[configpb.DN]()
	pieces := make(chan []*configpb.DN, 4)
	g, loading := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pieces)
		return s.view(func(tx *bolt.Tx) error { return readDNs(loading, tx, pieces) })
	})
	g.Go(func() error {
		for piece := range pieces {
			for _, d := range piece {
				next.addDN(d)
			}
		}
		return nil
	})
	g.Go(func() error {
		return s.view(func(tx *bolt.Tx) (err error) { s.sum, err = sumOf(loading, tx); return err })
	})
	err := g.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, ErrCorrupt):
		return nil, err
	case err != nil:
		return nil, corrupt(s.path, err)
	}
	return &next, nil
}

func makeBuckets(tx *bolt.Tx) error {
	for _, b := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
			return err
		}
	}
	return nil
}

// readView reads all but the DNs.
func readView(tx *bolt.Tx) (*View, error) {
	meta := tx.Bucket([]byte(bucketMeta))
	v := Empty()
	v.epoch = string(meta.Get([]byte(keyEpoch)))
	if b := meta.Get([]byte(keyIndex)); len(b) == 8 {
		v.index = binary.BigEndian.Uint64(b)
	} else if b != nil {
		return nil, errors.New("the applied index is unreadable")
	}
	for key, kind := range map[string]byte{keyOptions: recordOptions, keySecurity: recordSecurity, keyLevel: recordLevel} {
		if b := meta.Get([]byte(key)); b != nil {
			if err := v.add(kind, b); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range []struct {
		bucket string
		kind   byte
	}{{bucketNode, recordNode}, {bucketGroup, recordGroup}, {bucketRequest, recordRequest}, {bucketToken, recordToken}, {bucketAudit, recordAudit}, {bucketInvite, recordInvite}} {
		if err := readObjects(tx, v, r.bucket, r.kind); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func readObjects(tx *bolt.Tx, v *View, bucket string, kind byte) error {
	return tx.Bucket([]byte(bucket)).ForEach(func(k, b []byte) error {
		if err := v.add(kind, b); err != nil {
			return fmt.Errorf("%s %q: %w", bucket, k, err)
		}
		return nil
	})
}

// readPiece is how many DNs are handed on at once.
const readPiece = 512

// readDNs hands on all DNs, in order of number.
func readDNs(ctx context.Context, tx *bolt.Tx, pieces chan<- []*configpb.DN) error {
	piece := make([]*configpb.DN, 0, readPiece)
	hand := func() error {
		select {
		case pieces <- piece:
			piece = make([]*configpb.DN, 0, readPiece)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := tx.Bucket([]byte(bucketDN)).ForEach(func(k, b []byte) error {
		d := &configpb.DN{}
		if err := proto.Unmarshal(b, d); err != nil {
			return fmt.Errorf("%s %q: %w", bucketDN, k, err)
		}
		if piece = append(piece, d); len(piece) == readPiece {
			return hand()
		}
		return nil
	})
	return cmp.Or(err, hand())
}

func sumOf(ctx context.Context, tx *bolt.Tx) (Sum, error) {
	var s summer
	for _, name := range buckets {
		err := tx.Bucket([]byte(name)).ForEach(func(k, b []byte) error {
			s.flip(name, string(k), b)
			return ctx.Err()
		})
		if err != nil {
			return s.sum, err
		}
	}
	return s.sum, nil
}

// add puts one stored object into a View that is being built.
func (v *View) add(kind byte, b []byte) error {
	switch kind {
	case recordLevel:
		if len(b) != 4 {
			return errors.New("the feature level is unreadable")
		}
		v.level = binary.BigEndian.Uint32(b)
	case recordOptions:
		o := &configpb.Options{}
		if err := proto.Unmarshal(b, o); err != nil {
			return err
		}
		v.setOptions(o)
	case recordNode:
		n := &configpb.Node{}
		if err := proto.Unmarshal(b, n); err != nil {
			return err
		}
		d := draft{view: v}
		d.setNodes(append(d.otherNodes(n.GetId()), n))
	case recordGroup:
		g := &configpb.AgentGroup{}
		if err := proto.Unmarshal(b, g); err != nil {
			return err
		}
		v.groups.ReplaceOrInsert(entry[configpb.AgentGroup]{g.GetName(), g})
	case recordDN:
		d := &configpb.DN{}
		if err := proto.Unmarshal(b, d); err != nil {
			return err
		}
		v.addDN(d)
	case recordSecurity:
		s := &configpb.Security{}
		if err := proto.Unmarshal(b, s); err != nil {
			return err
		}
		v.security = s
	case recordInvite:
		i := &configpb.Invite{}
		if err := proto.Unmarshal(b, i); err != nil {
			return err
		}
		d := draft{view: v}
		d.setInvites(append(v.Invites(), i))
	case recordRequest:
		o, err := decodeOutcome(b)
		if err != nil {
			return err
		}
		v.memory.insert(o)
	case recordToken:
		t := &configpb.Token{}
		if err := proto.Unmarshal(b, t); err != nil {
			return err
		}
		v.tokens.ReplaceOrInsert(entry[configpb.Token]{t.GetId(), t})
	case recordAudit:
		e := &configpb.AuditEntry{}
		if err := proto.Unmarshal(b, e); err != nil {
			return err
		}
		v.audit.insert(auditRow{e.GetIndex(), string(b)})
	default:
		return fmt.Errorf("unknown kind of record %q", kind)
	}
	return nil
}

func (v *View) addDN(d *configpb.DN) {
	v.share(d)
	v.reach(d)
	v.dns.put(d)
}

// commit makes a batch durable: all of it, or nothing and an error. It returns the
// sums behind each of the batch.
func (s *store) commit(index uint64, batch []applied) (marks []Mark, err error) {
	sum := summer{sum: s.sum}
	err = s.update(func(tx *bolt.Tx) error {
		for _, a := range batch {
			if a.reset {
				if err := emptyBuckets(tx); err != nil {
					return err
				}
				sum.sum = Sum{}
			}
			if err := putAll(tx, a.writes, &sum); err != nil {
				return err
			}
			marks = append(marks, Mark{a.view.index, sum.sum})
		}
		return putAll(tx, []write{{bucketMeta, keyIndex, binary.BigEndian.AppendUint64(nil, index)}}, &sum)
	})
	if err != nil {
		return nil, err
	}
	s.sum = sum.sum
	return marks, nil
}

// replace makes v the content of the store, atomically.
func (s *store) replace(v *View) error {
	var sum summer
	err := s.update(func(tx *bolt.Tx) error {
		if err := emptyBuckets(tx); err != nil {
			return err
		}
		meta := []write{{bucketMeta, keyEpoch, []byte(v.epoch)}, {bucketMeta, keyIndex, binary.BigEndian.AppendUint64(nil, v.index)}}
		if err := putAll(tx, meta, &sum); err != nil {
			return err
		}
		return v.records(func(kind byte, key string, value []byte) error {
			return putAll(tx, []write{{bucketOf[kind], key, value}}, &sum)
		})
	})
	if err == nil {
		s.sum = sum.sum
	}
	return err
}

// copyTo makes a file of all that is in the store.
func (s *store) copyTo(path string) error {
	return s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			return disk.Replace(path, 0o600, func(w io.Writer) error { _, err := tx.WriteTo(w); return err })
		})
	})
}

// update is a transaction; the watch sees its way to the disk, and not the work before.
func (s *store) update(fn func(*bolt.Tx) error) error {
	return s.guard(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // of one that is committed: nothing
		if err := fn(tx); err != nil {
			return err
		}
		return s.disk.Do(tx.Commit)
	})
}

func emptyBuckets(tx *bolt.Tx) error {
	for _, b := range buckets {
		if err := tx.DeleteBucket([]byte(b)); err != nil {
			return err
		}
	}
	return makeBuckets(tx)
}

// putAll also takes what stood there out of the sum, and puts in what stands there then.
func putAll(tx *bolt.Tx, writes []write, sum *summer) error {
	for _, w := range writes {
		b := tx.Bucket([]byte(w.bucket))
		sum.flip(w.bucket, w.key, b.Get([]byte(w.key)))
		sum.flip(w.bucket, w.key, w.value)
		if w.value == nil {
			if err := b.Delete([]byte(w.key)); err != nil {
				return err
			}
			continue
		}
		if err := b.Put([]byte(w.key), w.value); err != nil {
			return err
		}
	}
	return nil
}
