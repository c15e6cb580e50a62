package consensus

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/disk"
)

// Raft panics when its stores fail, and would take SIP down with it. So every
// store is wrapped: the first error is reported, and the goroutine of Raft that
// met it ends there and then, running its deferred clean-ups (a leader stops
// its replication, so the others elect a new one). The supervisor in Run shuts
// the rest of Raft down.

// halt reports the error and ends the calling goroutine.
type halt func(err error)

func (h halt) check(op string, err error) {
	if err != nil {
		h.stop(fmt.Errorf("%s: %w", op, err))
	}
}

// run does an operation of the database, whose panic counts as its error.
func (h halt) run(op string, fn func() error) { h.check(op, disk.Guard(fn)) }

func (h halt) stop(err error) {
	h(err)
	runtime.Goexit()
}

// store is what raft-boltdb is to Raft.
type store interface {
	raft.LogStore
	raft.StableStore
}

// guard wraps the log and the stable store.
type guard struct {
	store
	halt halt
	disk *disk.Watch
}

// run is halt's, watched.
func (g guard) run(op string, fn func() error) {
	g.halt.run(op, func() error { return g.disk.Do(fn) })
}

func (g guard) StoreLog(l *raft.Log) error { return g.StoreLogs([]*raft.Log{l}) }

func (g guard) StoreLogs(ls []*raft.Log) error {
	g.run("writing the log", func() error { return g.store.StoreLogs(ls) })
	return nil
}

func (g guard) DeleteRange(lo, hi uint64) error {
	g.run("shortening the log", func() error { return g.store.DeleteRange(lo, hi) })
	return nil
}

func (g guard) Set(key, value []byte) error {
	g.run("writing the vote", func() error { return g.store.Set(key, value) })
	return nil
}

func (g guard) SetUint64(key []byte, value uint64) error {
	g.run("writing the term", func() error { return g.store.SetUint64(key, value) })
	return nil
}

func (g guard) GetLog(index uint64, l *raft.Log) error {
	err := disk.Guard(func() error { return g.disk.Do(func() error { return g.store.GetLog(index, l) }) })
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		g.halt.check("reading the log", err)
	}
	return err
}

// guardSnapshots wraps the snapshot store, whose directory is dir.
type guardSnapshots struct {
	raft.SnapshotStore
	dir  string
	halt halt
	disk *disk.Watch
}

func (g guardSnapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration,
	configIndex uint64, trans raft.Transport,
) (raft.SnapshotSink, error) {
	var sink raft.SnapshotSink
	g.halt.check("making a snapshot", g.disk.Do(func() (err error) {
		sink, err = g.SnapshotStore.Create(version, index, term, c, configIndex, trans)
		return err
	}))
	return guardSink{sink, filepath.Join(g.dir, sink.ID()), g.halt, g.disk}, nil
}

type guardSink struct {
	raft.SnapshotSink
	dir  string
	halt halt
	disk *disk.Watch
}

func (g guardSink) Write(b []byte) (int, error) {
	n := 0
	g.halt.check("writing a snapshot", g.disk.Do(func() (err error) {
		n, err = g.SnapshotSink.Write(b)
		return err
	}))
	return n, nil
}

// Close makes the names of the snapshot's files durable besides, which Raft
// leaves out: it shortens the log next. One that so many newer ones have overtaken that
// none as old is kept is gone by then, and needs no names.
func (g guardSink) Close() error {
	g.halt.check("writing a snapshot", g.disk.Do(g.SnapshotSink.Close))
	g.halt.check("writing a snapshot", g.disk.Do(func() error {
		if err := disk.SyncDir(g.dir); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}))
	return nil
}

// machine wraps the state machine.
type machine struct {
	*fsm.Machine
	halt halt
}

func (m machine) ApplyBatch(logs []*raft.Log) []any {
	results := m.Machine.ApplyBatch(logs)
	if err := m.Failing(); err != nil {
		m.halt.stop(err)
	}
	return results
}

func (m machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

func (m machine) Restore(in io.ReadCloser) error {
	err := m.Machine.Restore(in)
	if failing := m.Failing(); failing != nil {
		m.halt.stop(failing)
	}
	return err
}

// bucketLogs is where raft-boltdb has the entries.
const bucketLogs = "logs"

// probe touches every page of the file. bbolt would do that at opening, in a
// goroutine whose panic over a damaged page nobody can catch; here it is the
// caller's.
// On the way the ledger hears of the log's entries.
func probe(path string, l *ledger) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: openTimeout})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if string(name) == bucketLogs {
				return measure(b, l)
			}
			return b.ForEach(func(_, _ []byte) error { return nil })
		})
	})
}
