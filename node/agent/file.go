package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

var (
	bucketAgents = []byte("agents")

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// boltFile is a bbolt file: what a transaction wrote is on the disk. Without
// the fsync of each a power failure would cost more than the last ones: bbolt's
// pages may reach the disk in any order then.
type boltFile struct {
	db *bolt.DB
	// holds something, so that it is worth a look when it is damaged.
	holds bool
}

// openFile opens or makes the file and reads it. A damaged one is set
// aside; what could be read of it is returned, to be written to the fresh one.
func openFile(path string, log *slog.Logger) (f *boltFile, all []dn.Record, fresh bool, err error) {
	bad := 0
	f, err = openBolt(path)
	if err == nil {
		err = f.read(func(key, value []byte) {
			if r, ok := decodeAgent(key, value, time.Now()); ok {
				all, f.holds = append(all, r), true
			} else {
				bad++
			}
		})
	}
	if bad > 0 && err == nil {
		err = errors.Join(fmt.Errorf("%w: %d entries are unreadable", disk.ErrDamaged, bad), f.close())
	}
	if !errors.Is(err, disk.ErrDamaged) {
		return f, all, false, err
	}
	if err := setAside(path, err, log); err != nil {
		return nil, all, true, err
	}
	f, err = openBolt(path)
	return f, all, true, err
}

// openBolt opens or makes the file. The list of free pages is stored: without
// it bbolt looks for them in a goroutine whose panic over a damaged page nobody
// can catch.
func openBolt(path string) (f *boltFile, err error) {
	err = disk.Guard(func() error {
		if err := disk.MakeBolt(path); err != nil {
			return opening(err)
		}
		db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return opening(err)
		}
		f = &boltFile{db: db}
		return db.Update(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists(bucketAgents)
			return err
		})
	})
	if err == nil {
		return f, nil
	}
	if f != nil && !errors.Is(err, disk.ErrDamaged) {
		_ = f.db.Close()
	}
	return nil, err
}

// opening sorts the faults of the machine from those of the file.
func opening(err error) error {
	var path *os.PathError
	var errno syscall.Errno
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrInUse
	case errors.As(err, &path), errors.As(err, &errno):
		return err
	}
	return errors.Join(disk.ErrDamaged, err)
}

func (f *boltFile) read(each func(key, value []byte)) error {
	return disk.Guard(func() error {
		return f.db.View(func(tx *bolt.Tx) error {
			last := ""
			return tx.Bucket(bucketAgents).ForEach(func(k, v []byte) error {
				if string(k) <= last {
					return fmt.Errorf("%w: keys out of order", disk.ErrDamaged)
				}
				last = string(k)
				each(k, v)
				return nil
			})
		})
	})
}

// write stores a batch, all of it or nothing; nil deletes.
func (f *boltFile) write(batch map[dn.Number][]byte) error {
	err := disk.Guard(func() error {
		return f.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketAgents)
			for n, value := range batch {
				var err error
				if value == nil {
					err = b.Delete([]byte(n))
				} else {
					err = b.Put([]byte(n), value)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	f.holds = f.holds || err == nil
	return err
}

// discard sets the file aside, or removes one that never held anything: a disk
// that fails every write would be filled with them.
func (f *boltFile) discard(path string, why error, log *slog.Logger) error {
	if !errors.Is(why, disk.ErrDamaged) {
		if err := f.close(); err != nil {
			return err
		}
	}
	if f.holds {
		return setAside(path, why, log)
	}
	return os.Remove(path)
}

func (f *boltFile) close() error { return disk.Guard(f.db.Close) }

// setAside renames a damaged file, so that somebody can look at it.
func setAside(path string, why error, log *slog.Logger) error {
	to, err := disk.SetAside(path, time.Now())
	if err != nil {
		return fmt.Errorf("setting the damaged agent store aside: %w", err)
	}
	log.Error("agent store is damaged or was not written: set aside, a fresh one is started; agents that are missing have to log in again", "file", path, "kept_as", to, "err", why)
	return nil
}

// encodeAgent is a checksum and the wire form of the record, in which since is
// the time of writing: a reservation goes on from there.
func encodeAgent(r *dn.Record, now time.Time) []byte {
	stored := *r
	stored.Since = now.UnixNano()
	p, err := proto.Marshal(tcontroller.ToProto(&stored))
	if err != nil {
		panic("agent: an own record does not encode: " + err.Error())
	}
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(p)), crc32.Checksum(p, castagnoli)), p...)
}

// decodeAgent is false for what encodeAgent did not write.
func decodeAgent(key, value []byte, now time.Time) (dn.Record, bool) {
	if len(value) < 4 || binary.LittleEndian.Uint32(value) != crc32.Checksum(value[4:], castagnoli) {
		return dn.Record{}, false
	}
	var p peerpb.Record
	if proto.Unmarshal(value[4:], &p) != nil || p.GetDn() != string(key) || !dn.ValidNumber(key) || p.GetClaimTime() <= 0 {
		return dn.Record{}, false
	}
	r := tcontroller.FromProto(&p)
	if r.Agent.Check() != nil || !r.Desks.Sound() {
		return dn.Record{}, false
	}
	gone := max(0, now.UnixNano()-r.Since)
	r.CoolLeft = min(max(0, r.CoolLeft-gone), dn.MaxCool)
	if r.AgentLeft > 0 {
		r.AgentLeft = min(max(1, r.AgentLeft-gone), dn.MaxAgentLeft) // somebody has to end it
	}
	var still dn.Reservation
	for x := range r.Reserved.All() {
		if len(x.Holder) > dn.MaxHolder {
			return dn.Record{}, false
		}
		if x.Left = min(x.Left-gone, dn.MaxReserved); x.Left > 0 {
			still = still.With(x)
		}
	}
	r.Reserved = still
	r.State, r.Since = dn.OOS, now.UnixNano()
	return r, true
}
