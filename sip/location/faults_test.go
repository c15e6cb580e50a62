package location

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/dn"
)

// registered puts DNs with a claim.
func registered(s *Store, claim int64) {
	for i := range 30 {
		s.Put(entry(fmt.Sprint(2000+i), claim, time.Now().Add(time.Hour)))
	}
}

// TestStore_AfterOneFaultAllIsKept: one operation fails, the next attempt does
// not, and then the power does. Nothing that was acknowledged is lost, and no
// file is taken for damaged.
func TestStore_AfterOneFaultAllIsKept(t *testing.T) {
	full := lossyfs.Fault{Kind: "write", Count: 1, Errno: syscall.ENOSPC}
	for name, x := range map[string]struct {
		faults []lossyfs.Fault
		do     func(*Store) error // fails once
		queued bool               // until then nothing was flushed
	}{
		"a part of a write is on the disk":      {[]lossyfs.Fault{{Kind: "write", Count: 1, Short: 60}, full}, (*Store).Flush, true},
		"a write that the disk has no room for": {[]lossyfs.Fault{full}, (*Store).Flush, true},
		"the base is not synced":                {[]lossyfs.Fault{{Kind: "sync", Name: "location.db", Count: 1, Errno: syscall.EIO}}, (*Store).fold, false},
		"the base is not written":               {[]lossyfs.Fault{{Kind: "write", Name: "location.db", Count: 1, Errno: syscall.EIO}}, (*Store).fold, false},
		"the journal is not synced":             {[]lossyfs.Fault{{Kind: "sync", Name: "location.journal.00000002", Count: 1, Errno: syscall.EIO}}, (*Store).sync, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := lossyfs.New(t)
			s := openAt(t, m.Dir, testBoot)
			registered(s, 1)
			ok(t, s.Flush(), s.fold())
			registered(s, 2)
			ok(t, s.Flush())
			registered(s, 3)
			s.Raise(77)
			if !x.queued {
				ok(t, s.Flush())
			}
			m.Fail(x.faults...)
			if err := x.do(s); err == nil || m.Met() == 0 {
				t.Fatalf("nothing failed: %v, %d", err, m.Met())
			}
			m.Fail()
			ok(t, s.Flush())
			ok(t, x.do(s))
			s.Put(entry("3000", 4, time.Now().Add(time.Hour)))
			ok(t, s.Flush(), s.sync())
			keeps(t, m, 3, 77)
			ok(t, s.Close())
		})
	}
}

// TestStore_CloseIsDurable: what was flushed right before, and what was not.
func TestStore_CloseIsDurable(t *testing.T) {
	for name, flush := range map[string]func(*Store) error{"flushed": (*Store).Flush, "queued": func(*Store) error { return nil }} {
		t.Run(name, func(t *testing.T) {
			m := lossyfs.New(t)
			s := openAt(t, m.Dir, testBoot)
			registered(s, 5)
			s.Raise(78)
			s.Put(entry("3000", 4, time.Now().Add(time.Hour)))
			ok(t, flush(s), s.Close())
			keeps(t, m, 5, 78)
		})
	}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// keeps has the power fail now, and looks at what is left.
func keeps(t *testing.T, m *lossyfs.Mount, claim, floor int64) {
	t.Helper()
	left := t.TempDir()
	m.Extract(m.Take(), 0, left)
	s := openAt(t, left, testBoot)
	defer s.crash()
	for i := range 30 {
		n := dn.Number(fmt.Sprint(2000 + i))
		if e := s.Get(n); e == nil || e.Record.ClaimTime != claim {
			t.Errorf("DN %s: %+v, want claim %d", n, e, claim)
		}
	}
	if s.Get("3000") == nil || s.Meta().Floor != floor {
		t.Errorf("the last entry: %+v, meta %+v", s.Get("3000"), s.Meta())
	}
	if files := damagedFiles(t, left); len(files) > 0 {
		t.Errorf("set aside: %v", files)
	}
}

// TestStore_ABaseThatWasNotSyncedIsMadeAnew: the fsync that ends a transaction of
// the base fails, and the power soon after the next fold has begun. What is nowhere
// but in the base is there.
func TestStore_ABaseThatWasNotSyncedIsMadeAnew(t *testing.T) {
	m := lossyfs.New(t)
	memory := lossyfs.Memory(t)
	for _, skip := range []int{3, 5} { // each has one for its pages before
		dir := fmt.Sprintf("%s/node-%d", m.Dir, skip)
		s := openAt(t, dir, testBoot)
		registered(s, 1)
		ok(t, s.Flush(), s.fold())
		s.Put(entry("3000", 2, time.Now().Add(time.Hour)))
		ok(t, s.Flush(), s.sync())
		m.Fail(lossyfs.Fault{Kind: "sync", Name: "location.db", Skip: skip, Count: 1, Errno: syscall.EIO})
		if err := s.fold(); err == nil {
			t.Fatalf("fsync %d of the base did not fail", skip)
		}
		m.Fail()
		m.Watch(lossyfs.Plan{Every: 1, Most: 8})
		ok(t, s.fold())
		for i := range m.Images() {
			left := fmt.Sprintf("%s-%d-%d", memory, skip, i)
			m.Extract(i, 0, left)
			again := openAt(t, fmt.Sprintf("%s/node-%d", left, skip), testBoot)
			for _, n := range []dn.Number{"2000", "2029", "3000"} {
				if again.Get(n) == nil {
					t.Errorf("fsync %d of the base failed, then the power at operation %d: DN %s is lost", skip, i, n)
				}
			}
			again.crash()
		}
		ok(t, s.Close())
	}
}
