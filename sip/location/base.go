package location

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/node/disk"
)

// The base is a bbolt file. It is open while it is read at the start and while
// a journal is folded into it, so that its pages cost no memory in between.
//
// Its freelist is kept on disk: without that bbolt walks all pages when it
// opens a file for writing, in a goroutine of its own, where a damaged page
// ends the process.
var (
	bucketEntries = []byte("entries")
	bucketWords   = []byte("words") // boot number -> word, the present boot's last
)

func (s *Store) basePath() string { return filepath.Join(s.dir, "location.db") }

// openBase opens a base that is there, for writing or reading.
func openBase(path string, readOnly bool) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:      time.Second,
		ReadOnly:     readOnly,
		FreelistType: bolt.FreelistMapType,
	})
	if err != nil {
		if outOfReach(err) {
			return nil, err
		}
		return nil, errors.Join(disk.ErrDamaged, err)
	}
	db.AllocSize = 1 << 20
	return db, nil
}

// outOfReach tells a fault of the machine from one of the file.
func outOfReach(err error) bool {
	var path *os.PathError
	return errors.As(err, &path) || noRoom(err) || errors.Is(err, unix.EIO)
}

// noRoom tells a full disk from a broken one.
func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// sizeOfBase is how many bytes the file has; 0 also when it is not there.
func (s *Store) sizeOfBase() int64 {
	info, err := os.Stat(s.basePath())
	if err != nil {
		return 0
	}
	return info.Size()
}

// openEntries opens the base for Load, and gives its words to fn.
func (s *Store) openEntries(fn func(payload string) error) error {
	size := s.sizeOfBase()
	if size == 0 {
		return nil
	}
	return disk.Guard(func() error {
		db, err := openBase(s.basePath(), true)
		if err != nil {
			return err
		}
		if err := db.View(func(tx *bolt.Tx) error { return readBucket(tx, bucketWords, fn) }); err != nil {
			return errors.Join(err, db.Close())
		}
		s.base = db
		s.expect(int(size))
		return nil
	})
}

// readBucket gives the payloads of a bucket to fn. An error is disk.ErrDamaged.
func readBucket(tx *bolt.Tx, name []byte, fn func(payload string) error) error {
	b := tx.Bucket(name)
	if b == nil {
		return nil // the file's first transaction was not finished
	}
	last := ""
	err := b.ForEach(func(k, v []byte) error {
		if string(k) <= last {
			return errors.New("keys out of order")
		}
		last = string(k)
		payload, err := basePayload(v)
		if err != nil {
			return fmt.Errorf("%.64q: %w", k, err)
		}
		return fn(payload)
	})
	if err != nil {
		return fmt.Errorf("%w: bucket %s: %w", disk.ErrDamaged, name, err)
	}
	return nil
}

// basePayload is what baseValue made a value of.
func basePayload(v []byte) (string, error) {
	if len(v) < 4 {
		return "", errPayload
	}
	payload := string(v[4:])
	if checksum(payload) != binary.LittleEndian.Uint32(v) {
		return "", errors.New("the checksum is wrong")
	}
	return payload, nil
}

func baseValue(payload string) []byte {
	v := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(payload)), checksum(payload))
	return append(v, payload...)
}

// putSlots writes a batch in one transaction; a tombstone deletes.
func putSlots(db *bolt.DB, blobs []string) error {
	return db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketEntries)
		if err != nil {
			return err
		}
		for _, blob := range blobs {
			key := []byte(blobNumber(blob))
			if blob[0] == kindGone {
				err = b.Delete(key)
			} else {
				err = b.Put(key, baseValue(blob))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// putWords replaces the words. Those of earlier boots stay as long as entries
// may have been written in them.
func putWords(db *bolt.DB, words []word) error {
	return db.Update(func(tx *bolt.Tx) error {
		if tx.Bucket(bucketWords) != nil {
			if err := tx.DeleteBucket(bucketWords); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(bucketWords)
		if err != nil {
			return err
		}
		for _, w := range words {
			key := binary.BigEndian.AppendUint64(nil, w.number)
			if err := b.Put(key, baseValue(w.encode())); err != nil {
				return err
			}
		}
		return nil
	})
}

// setAside renames a damaged file, so that somebody can look at it.
func (s *Store) setAside(path string, why error) error {
	to, err := disk.SetAside(path, s.now())
	if err != nil {
		return fmt.Errorf("location store: set the damaged %s aside: %w", path, err)
	}
	s.log.Error("location store is damaged: set aside, a fresh one is started; phones that are missing come back with their next REGISTER",
		"file", path, "kept_as", to, "err", why)
	return nil
}
