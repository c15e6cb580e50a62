package location

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

var testTune = tuning{foldSize: 1 << 30, foldAge: time.Hour, foldBatch: 3, retry: time.Second}

var testBoot = boot{id: "boot-a", since: time.Hour}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openAt(t testing.TB, dir string, b boot) *Store {
	t.Helper()
	s, err := open(Config{Dir: dir, Log: quiet()}, b, testTune)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crash gives the directory free as kill -9 does: nothing is flushed.
func (s *Store) crash() {
	_ = s.closeEntries()
	if s.journal.file != nil {
		s.journal.file.Close()
	}
	s.lock.Close()
}

func entry(n string, claim int64, expires time.Time) *Entry {
	var way dn.Way
	var floor int64
	if claim%2 == 1 {
		way, floor = dn.Way{Line: 1 << 31, Flow: 2}, claim-7
	}
	return &Entry{
		Record: dn.Record{Number: dn.Number(n), ClaimTime: claim, State: dn.InSrv, Reason: dn.Registered, Since: claim - 5, Way: way, Floor: floor},
		Bindings: []Binding{{
			Contact: "sip:" + n + "@192.0.2.7:5062;transport=udp", Params: ";q=0.5", CallID: "call-" + n, CSeq: 3,
			Source: netip.MustParseAddrPort("192.0.2.7:5062"), Expires: expires, UserAgent: "baresip 1.0",
		}},
	}
}

// same tells whether two entries are equal; their ends may differ by less than
// slack, which a restart costs.
func same(a, b *Entry, slack time.Duration) bool {
	if a == nil || b == nil {
		return a == b
	}
	eq := func(x, y Binding) bool {
		d := x.Expires.Sub(y.Expires).Abs()
		x.Expires, y.Expires = time.Time{}, time.Time{}
		return d <= slack && fmt.Sprint(x) == fmt.Sprint(y)
	}
	return a.Record == b.Record && slices.EqualFunc(a.Bindings, b.Bindings, eq)
}

func contents(s *Store) map[dn.Number]*Entry {
	m := make(map[dn.Number]*Entry)
	s.Range(func(e *Entry) bool {
		m[e.Record.Number] = s.Get(e.Record.Number)
		return true
	})
	return m
}

func TestStore_KeepsWhatWasPut(t *testing.T) {
	s := openAt(t, t.TempDir(), testBoot)
	defer s.crash()
	end := time.Now().Add(time.Hour)
	e := entry("2001", 77, end)
	e.Bindings = append(e.Bindings, Binding{
		Contact: "sips:2001@[2001:db8::1]", Transport: TLS, Source: netip.MustParseAddrPort("[fe80::1%eth0]:5061"),
		Expires: end.Add(time.Second), Path: []string{"<sip:edge;lr>", "<sip:core;lr>"}, CSeq: 1<<32 - 1, CallID: "x", Unresponsive: true, Mapped: true,
	})
	s.Put(e)
	got := s.GetBytes([]byte("2001"))
	if !same(got, e, 0) {
		t.Fatalf("got %+v, put %+v", got, e)
	}
	if !got.Bindings[0].Expires.Equal(end) {
		t.Errorf("end moved by %v", got.Bindings[0].Expires.Sub(end))
	}
	s.Delete("2001")
	if s.Get("2001") != nil || s.Len() != 0 {
		t.Error("deleted entry is there")
	}
}

// Range tells of every entry once, in order of number, whole, and ends with what it calls.
func TestStore_RangesInOrder(t *testing.T) {
	s := openAt(t, t.TempDir(), testBoot)
	defer func() { _ = s.Close() }()
	const many = 5*rangePiece + 1
	for i := range many {
		e := entry(fmt.Sprint(9*many-i), int64(i+10), time.Now().Add(time.Hour))
		switch i % 3 { // what is decoded in one place, one after the other, leaves nothing behind
		case 1:
			e.Bindings = append(e.Bindings, e.Bindings[0])
		case 2:
			e.Bindings = nil
		}
		s.Put(e)
	}
	for _, most := range []int{many, 1, rangePiece + 1} {
		var seen []dn.Number
		s.Range(func(e *Entry) bool {
			if seen = append(seen, e.Record.Number); !same(e, s.Get(e.Record.Number), 0) {
				t.Fatalf("%+v, want %+v", e, s.Get(e.Record.Number))
			}
			return len(seen) < most
		})
		if len(seen) != most || !slices.IsSorted(seen) || len(slices.Compact(seen)) != most {
			t.Errorf("%d of %d entries, in order: %v", len(seen), most, slices.IsSorted(seen))
		}
	}
}

func TestStore_ComesBackAfterFlushAndCrash(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	end := time.Now().Add(time.Hour)
	for i := range 20 {
		s.Put(entry(fmt.Sprint(2000+i), int64(100+i), end))
	}
	oos := &Entry{Record: dn.Record{Number: "3000", ClaimTime: 500, Seq: 2, Reason: dn.Expired, Since: 900}}
	s.Put(oos)
	s.Delete("2003")
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	want := contents(s)
	s.Put(entry("2004", 9999, end)) // not flushed
	s.crash()

	s = openAt(t, dir, testBoot)
	defer s.crash()
	got := contents(s)
	if !maps.EqualFunc(got, want, func(a, b *Entry) bool { return same(a, b, time.Minute) }) { // the test's boot clock stands still
		t.Errorf("got %d entries, want %d", len(got), len(want))
	}
	if s.Len() != len(want) {
		t.Errorf("Len %d, want %d", s.Len(), len(want))
	}
	if m := s.Meta(); m.Floor != 500 {
		t.Errorf("floor %d, want the greatest claim flushed", m.Floor)
	}
}

func TestStore_FoldsAndForgets(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	end := time.Now().Add(time.Hour)
	for round := range 3 {
		for i := range 10 {
			s.Put(entry(fmt.Sprint(2000+i), int64(round*100+i), end))
		}
		s.Delete(dn.Number(fmt.Sprint(2000 + round)))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := s.fold(); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.slots) != 9 || len(s.changed) != 0 {
		t.Errorf("%d slots and %d debts after the fold, want 9 and 0", len(s.slots), len(s.changed))
	}
	gens, _ := journalGens(dir)
	if len(gens) != 0 {
		t.Errorf("journals left after the fold: %v", gens)
	}
	s.Put(entry("2005", 1234, end))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, testBoot)
	defer s.crash()
	if s.Len() != 9 || s.Get("2002") != nil || s.Get("2005").Record.ClaimTime != 1234 {
		t.Errorf("after the restart: %v", contents(s))
	}
}

func TestStore_IncarnationGrowsThoughTheClockStepsBack(t *testing.T) {
	dir := t.TempDir()
	last, wall := uint64(0), time.Unix(1_000_000, 0)
	for range 5 {
		s, err := open(Config{Dir: dir, Log: quiet(), Now: func() time.Time { return wall }}, testBoot, testTune)
		if err != nil {
			t.Fatal(err)
		}
		if now := s.Meta().Incarnation; now <= last {
			t.Fatalf("incarnation %d after %d", now, last)
		} else {
			last = now
		}
		wall = wall.Add(-time.Hour)
		s.crash()
	}
}

func TestStore_RaiseSurvives(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	s.Raise(4711)
	s.Raise(12)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	s = openAt(t, dir, testBoot)
	defer s.crash()
	if m := s.Meta(); m.Floor != 4711 {
		t.Errorf("floor %d", m.Floor)
	}
}

func TestStore_SecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	defer s.crash()
	_, err := Open(Config{Dir: dir, Log: quiet()})
	if err == nil || !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func damagedFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.damaged-*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func filled(t *testing.T, dir string, n int) {
	t.Helper()
	s := openAt(t, dir, testBoot)
	for i := range n {
		s.Put(entry(fmt.Sprint(2000+i), int64(i+1), time.Now().Add(time.Hour)))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.fold(); err != nil {
		t.Fatal(err)
	}
	s.Put(entry("9000", 9000, time.Now().Add(time.Hour)))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.crash()
}

func TestStore_DamagedBaseIsSetAside(t *testing.T) {
	whole := t.TempDir()
	filled(t, whole, 300)
	base, err := os.ReadFile(filepath.Join(whole, "location.db"))
	if err != nil {
		t.Fatal(err)
	}
	damage := map[string]func([]byte) []byte{
		"empty":    func(b []byte) []byte { return b[:1] },
		"text":     func(b []byte) []byte { return []byte("not a database, and longer than a page would need to be") },
		"cut":      func(b []byte) []byte { return b[:len(b)/2] },
		"zeroed":   func(b []byte) []byte { clear(b[len(b)/4:]); return b },
		"ones":     func(b []byte) []byte { fill(b[4096*2:], 0xff); return b },
		"scramble": func(b []byte) []byte { fill(b[4096*3:4096*3+64], 0x7f); fill(b[4096*5:4096*5+64], 0x7f); return b },
	}
	for name, fn := range damage {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "location.db"), fn(slices.Clone(base)), 0o600); err != nil {
				t.Fatal(err)
			}
			s := openAt(t, dir, testBoot)
			defer func() { s.crash() }()
			if s.Get("9000") == nil {
				t.Error("the journal's entry is gone")
			}
			if s.Len() == 1 && len(damagedFiles(t, dir)) != 1 {
				t.Errorf("set aside: %v", damagedFiles(t, dir))
			}
			if s.Len() != 1 && s.Len() != 301 {
				t.Errorf("%d entries: neither all nor none of the base", s.Len())
			}
			s.Put(entry("9001", 9001, time.Now().Add(time.Hour)))
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := s.fold(); err != nil {
				if err = s.fold(); err != nil { // damage that only a writer meets: set aside then
					t.Fatal(err)
				}
			}
			n := s.Len()
			s.crash()
			if s = openAt(t, dir, testBoot); s.Len() != n {
				t.Errorf("%d entries after the fold and a restart, want %d", s.Len(), n)
			}
		})
	}
}

func fill(b []byte, x byte) {
	for i := range b {
		b[i] = x
	}
}

func TestStore_EveryDamagedByteOfTheBaseIsSurvived(t *testing.T) {
	whole := t.TempDir()
	filled(t, whole, 60)
	base, err := os.ReadFile(filepath.Join(whole, "location.db"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "location.db")
	step := 61
	if testing.Short() {
		step = 607
	}
	for at := 0; at < len(base); at += step {
		b := slices.Clone(base)
		b[at] ^= 0xff
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openAt(t, dir, testBoot)
		if n := s.Len(); n != 0 && n != 60 {
			t.Errorf("byte %d: %d entries", at, n)
		}
		s.Put(entry("9001", 9001, time.Now().Add(time.Hour)))
		if err := s.fold(); err != nil {
			if err = s.fold(); err != nil {
				t.Errorf("byte %d: %v", at, err)
			}
		}
		s.crash()
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStore_DamagedJournalIsSetAsideAndItsSoundPartKept(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	for i := range 10 {
		s.Put(entry(fmt.Sprint(2000+i), int64(i+1), time.Now().Add(time.Hour)))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	path := s.journal.file.Name()
	s.crash()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, testBoot)
	n := s.Len()
	if n < 3 || n > 6 || len(damagedFiles(t, dir)) != 1 {
		t.Errorf("%d entries, set aside %v", n, damagedFiles(t, dir))
	}
	s.crash() // at once: what was kept is in the new journal
	s = openAt(t, dir, testBoot)
	defer s.crash()
	if s.Len() != n {
		t.Errorf("%d entries after another crash, want %d", s.Len(), n)
	}
}
