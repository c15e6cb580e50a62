package consensus

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/internal/wake"
)

// ledger knows how long each entry of the log is, so that the log is bounded by
// octets: Raft counts entries alone, of which one may be 100 KB.
type ledger struct {
	mu    sync.Mutex
	first uint64   // index of sizes[0]
	sizes []uint32 // octets of each entry
	sum   uint64
	// grown is sent when the log is longer than bound.
	bound uint64
	grown wake.Signal
}

func (l *ledger) stored(index uint64, octets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sizes) == 0 {
		l.first = index
	}
	l.sizes = append(l.sizes, uint32(octets))
	l.sum += uint64(octets)
	if l.bound > 0 && l.sum > l.bound {
		l.grown.Send()
	}
}

// deleted is of a range at the beginning or at the end of the log.
func (l *ledger) deleted(lo, hi uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.first + uint64(len(l.sizes))
	lo, hi = max(lo, l.first), min(hi+1, end)
	if lo >= hi {
		return
	}
	for _, n := range l.sizes[lo-l.first : hi-l.first] {
		l.sum -= uint64(n)
	}
	if lo == l.first {
		l.sizes, l.first = l.sizes[hi-l.first:], hi
		return
	}
	l.sizes = l.sizes[:lo-l.first]
}

// limit sets the bound, and tells whether the log is longer.
func (l *ledger) limit(octets uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bound = octets
	return l.sum > l.bound
}

// last counts the entries at the end of the log that have at most so many octets.
func (l *ledger) last(octets uint64) (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.sizes) - 1; i >= 0 && uint64(l.sizes[i]) <= octets; i-- {
		octets -= uint64(l.sizes[i])
		n++
	}
	return n
}

// ledgered keeps the ledger of a store.
type ledgered struct {
	store
	ledger *ledger
}

func (s ledgered) StoreLogs(ls []*raft.Log) error {
	err := s.store.StoreLogs(ls)
	if err == nil {
		for _, l := range ls {
			s.ledger.stored(l.Index, len(l.Data)+entryOctets)
		}
	}
	return err
}

func (s ledgered) DeleteRange(lo, hi uint64) error {
	err := s.store.DeleteRange(lo, hi)
	if err == nil {
		s.ledger.deleted(lo, hi)
	}
	return err
}

// measure enters the entries that a log has.
func measure(logs *bbolt.Bucket, into *ledger) error {
	return logs.ForEach(func(k, v []byte) error {
		if len(k) == 8 {
			into.stored(binary.BigEndian.Uint64(k), len(v))
		}
		return nil
	})
}

// boundPause is how long the log may be too long when a snapshot did not help: its
// entries are not applied yet.
const boundPause = 5 * time.Second

// boundLog makes a snapshot when half of the octets that the log may have are used, and
// keeps a quarter of them behind it: the other half is for what comes meanwhile.
func (g *Group) boundLog(ctx context.Context) error {
	changes := g.machine.Watch()
	defer changes.Close()
	options := wake.New()
	go func() {
		for {
			c, err := changes.Next(ctx)
			if err != nil {
				return
			}
			if c.All || c.Options {
				options.Send()
			}
		}
	}()
	for {
		var pause <-chan time.Time
		grown := g.ledger.grown
		octets := g.machine.View().Options().GetRaftLogBytes()
		if g.ledger.limit(octets / 2) {
			g.shorten(ctx, octets/4)
			if g.ledger.limit(octets / 2) {
				pause, grown = time.After(boundPause), nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-g.failed:
			return nil
		case <-options:
		case <-grown:
		case <-pause:
		}
	}
}

// shorten has Raft make a snapshot and keep the entries behind it that have so many octets.
func (g *Group) shorten(ctx context.Context, keep uint64) {
	c := g.raft.ReloadableConfig()
	c.TrailingLogs = min(g.trailing, g.ledger.last(keep))
	err := g.raft.ReloadConfig(c)
	if err == nil {
		err = g.await(ctx, g.raft.Snapshot())
	}
	if err != nil {
		g.log.Info("shortening the raft log failed, to be tried again", "err", err)
	}
}
