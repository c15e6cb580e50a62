package fsm

import (
	"iter"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/disk"
)

// file looks DNs up in a store that is not loaded yet. What can't be read is not there, and
// nothing is sure from then on: whoever loads the store finds out why.
type file struct {
	db     *bolt.DB
	unsure atomic.Bool
}

// from is the first DN from a number on, in order of number; nil for none.
func (f *file) from(number string) (d *configpb.DN) {
	err := disk.Guard(func() error {
		return f.db.View(func(tx *bolt.Tx) error {
			_, b := tx.Bucket([]byte(bucketDN)).Cursor().Seek([]byte(number))
			if b == nil {
				return nil
			}
			d = &configpb.DN{}
			return proto.Unmarshal(b, d)
		})
	})
	if err != nil {
		f.unsure.Store(true)
		return nil
	}
	return d
}

func (f *file) find(number string) *configpb.DN {
	if d := f.from(number); d.GetNumber() == number {
		return d
	}
	return nil
}

// nearest is that of dns.
func (f *file) nearest(number string) *configpb.DN {
	if d := f.from(number); d != nil {
		return d
	}
	return f.from("")
}

// behind are the DNs behind a number, one by one.
func (f *file) behind(after string) iter.Seq[*configpb.DN] {
	return func(yield func(*configpb.DN) bool) {
		for d := f.from(after + "\x00"); d != nil && yield(d); d = f.from(d.GetNumber() + "\x00") {
		}
	}
}
