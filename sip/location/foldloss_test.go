package location

import (
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// onLossyDisk opens stores below a directory, and wants errors or none.
type onLossyDisk struct{ *testing.T }

func (t onLossyDisk) open(dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: filepath.Join(dir, "location"), Log: slog.New(slog.DiscardHandler)})
	t.ok(err)
	return s
}

func (t onLossyDisk) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t onLossyDisk) fails(what string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s does not fail", what)
	}
}

// TestFold_WhatAnOldJournalSaysIsOverruled: a journal that a fold could not remove is older
// than the base, which has no DN that is deleted meanwhile. When the journal that says so is
// lost by a failed fsync, the next one says it again: else the DN is back after a power
// failure.
func TestFold_WhatAnOldJournalSaysIsOverruled(t *testing.T) {
	m, left, x := lossyfs.New(t), lossyfs.Memory(t), onLossyDisk{t}
	s := x.open(m.Dir)
	s.Put(entry("2001", 1, time.Now().Add(time.Hour)))
	x.ok(s.Flush())
	remove := lossyfs.Fault{Kind: "remove", Errno: syscall.EIO}
	m.Fail(remove)
	x.fails("a fold that can remove nothing", s.fold())
	s.Delete("2001")
	x.ok(s.Flush())
	x.fails("the next fold", s.fold()) // the base knows it
	m.Fail(lossyfs.Fault{Kind: "sync", Count: 1, Errno: syscall.EIO}, remove)
	x.fails("a sync", s.sync())
	x.ok(s.Flush()) // as each second
	x.ok(s.sync())
	m.Extract(m.Take(), 0, left)
	m.Fail()
	x.ok(s.Close())
	after := x.open(left)
	if e := after.Get("2001"); e != nil {
		t.Errorf("a DN that was deleted is back: %+v", e)
	}
	x.ok(after.Close())
}

// TestFold_WhatItHasTakenIsWrittenAgain when the journal is lost meanwhile by a failed fsync:
// the base has it no sooner than the fold is over.
func TestFold_WhatItHasTakenIsWrittenAgain(t *testing.T) {
	m, left, x := lossyfs.New(t), lossyfs.Memory(t), onLossyDisk{t}
	s := x.open(m.Dir)
	s.Put(entry("2001", 1, time.Now().Add(time.Hour)))
	x.ok(s.Flush())
	s.takeOwed() // a fold is under way
	m.Fail(lossyfs.Fault{Kind: "sync", Count: 1, Errno: syscall.EIO})
	x.fails("a sync", s.sync())
	x.ok(s.Flush()) // as each second
	x.ok(s.sync())
	m.Extract(m.Take(), 0, left)
	x.ok(s.Close())
	after := x.open(left)
	if after.Get("2001") == nil {
		t.Error("a DN is lost")
	}
	x.ok(after.Close())
}
