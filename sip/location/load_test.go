package location

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/node/dn"
)

func beginAt(t testing.TB, dir string, b boot) *Store {
	t.Helper()
	s, err := begin(Config{Dir: dir, Log: quiet()}, b, testTune)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLoad_BesideWhatChanges: DNs register, end and are asked for while the base is read,
// in another boot; all is as if it had been read before.
func TestLoad_BesideWhatChanges(t *testing.T) {
	dir, end := t.TempDir(), time.Now().Add(time.Hour)
	const many, hands = 6*loadPiece + 100, 4
	s := openAt(t, dir, testBoot)
	for i := range many {
		s.Put(entry(fmt.Sprint(2000+i), int64(i+10), end))
	}
	ok(t, s.Flush(), s.fold(), s.Flush())
	s.crash()

	other := boot{id: "boot-b", since: time.Minute}
	s = beginAt(t, dir, other)
	want := make([]map[dn.Number]*Entry, hands)
	var changing sync.WaitGroup
	for hand := range hands {
		want[hand] = map[dn.Number]*Entry{}
		changing.Go(func() {
			luck := rand.New(rand.NewPCG(uint64(hand), 5))
			for claim := int64(1e6); claim < 1e6+500; claim++ {
				n := fmt.Sprint(2000 + luck.IntN(many/hands)*hands + hand)
				switch luck.IntN(3) {
				case 0:
					want[hand][dn.Number(n)] = entry(n, claim, end)
					s.Put(want[hand][dn.Number(n)])
				case 1:
					want[hand][dn.Number(n)] = nil
					s.Delete(dn.Number(n))
				default:
					_ = s.GetBytes([]byte(n))
					s.noteAhead(time.Duration(claim) * time.Second)
				}
			}
		})
	}
	ok(t, s.Load(t.Context()), s.Load(t.Context()))
	changing.Wait()
	check := func(s *Store) {
		t.Helper()
		live := 0
		for i := range many {
			n := dn.Number(fmt.Sprint(2000 + i))
			wanted, changed := want[i%hands][n]
			if !changed {
				wanted = entry(string(n), int64(i+10), end)
			}
			if wanted != nil {
				live++
			}
			if got := s.Get(n); !same(got, wanted, time.Hour) {
				t.Fatalf("DN %s is %+v, want %+v", n, got, wanted)
			}
		}
		if s.Len() != live || len(s.Numbers()) != live {
			t.Errorf("Len %d, %d numbers, want %d", s.Len(), len(s.Numbers()), live)
		}
	}
	check(s)
	ok(t, s.Flush(), s.fold(), s.Close())
	s = openAt(t, dir, other)
	defer s.crash()
	check(s)
}

// TestLoad_DamagedBase: what phones were told before the damage was found holds, and
// nothing else of the base does.
func TestLoad_DamagedBase(t *testing.T) {
	dir := t.TempDir()
	const many = 3 * loadPiece
	filled(t, dir, many)
	path := filepath.Join(dir, "location.db")
	base, err := os.ReadFile(path)
	ok(t, err)
	at := 0
	last := fmt.Sprint("call-", 2000+many-1)
	for i := range base {
		if string(base[i:min(i+len(last), len(base))]) == last {
			base[i] ^= 0xff // in the last entry: the others are loaded by then
			at++
		}
	}
	if at == 0 {
		t.Fatal("the last entry is not in the base")
	}
	ok(t, os.WriteFile(path, base, 0o600))

	s := beginAt(t, dir, testBoot)
	asked, registers := s.Get("2005"), entry("2006", 1e6, time.Now().Add(time.Hour))
	if asked == nil || s.Get(dn.Number(fmt.Sprint(2000+many-1))) != nil {
		t.Fatal("a sound entry is not found, or a damaged one is")
	}
	s.Put(registers)
	ok(t, s.Flush())
	if s.base.View(func(tx *bolt.Tx) error { return s.load(t.Context(), tx) }) == nil {
		t.Fatal("the damage is not found")
	}
	late := s.Get("2007") // it is loaded, and the damage is not told yet
	if late == nil {
		t.Fatal("an entry that was loaded is not found")
	}
	ok(t, s.Load(t.Context()))
	check := func(s *Store) {
		t.Helper()
		if !same(s.Get("2005"), asked, time.Minute) || !same(s.Get("2006"), registers, time.Minute) || !same(s.Get("2007"), late, time.Minute) || s.Get("9000") == nil {
			t.Errorf("what was known before the damage was found is not: %v", contents(s))
		}
		if s.Len() != 4 || len(contents(s)) != 4 || s.Get("2008") != nil {
			t.Errorf("%d entries are left, want the 4 that were asked for or written since", s.Len())
		}
	}
	check(s)
	if len(damagedFiles(t, dir)) != 1 {
		t.Errorf("set aside: %v", damagedFiles(t, dir))
	}
	s.catchUp()
	if due := s.Due(time.Now().Add(2 * time.Hour)); len(due) != 4 {
		t.Errorf("%v are due, want the 4 that are there", due)
	}
	ok(t, s.fold(), s.Close())
	s = openAt(t, dir, testBoot)
	defer s.crash()
	check(s)
}

// TestLoad_StoppedOnTheWay: that is no damage. What came meanwhile and what was not brought
// in yet are there after the next start.
func TestLoad_StoppedOnTheWay(t *testing.T) {
	dir := t.TempDir()
	const many = 3 * loadPiece
	filled(t, dir, many)
	s := beginAt(t, dir, testBoot)
	s.Put(entry("9001", 1e6, time.Now().Add(time.Hour)))
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Load(stopped); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	if n := s.Len(); n >= many {
		t.Errorf("%d of %d were brought in", n, many)
	}
	ok(t, s.Close())
	s = openAt(t, dir, testBoot)
	defer s.crash()
	if got := len(contents(s)); got != many+2 || s.Get("9001") == nil || len(damagedFiles(t, dir)) != 0 {
		t.Errorf("%d entries are there, want %d; set aside: %v", got, many+2, damagedFiles(t, dir))
	}
}

// BenchmarkBegin is the start until DNs can be asked for, and Load until all are there.
func BenchmarkBegin(b *testing.B) {
	dir := b.TempDir()
	s := openAt(b, dir, testBoot)
	for i := range 100_000 {
		s.Put(entry(fmt.Sprint(2_000_000+i), int64(i+10), time.Now().Add(time.Hour)))
		if i%1000 == 999 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.fold(); err != nil {
		b.Fatal(err)
	}
	s.crash()
	for name, load := range map[string]bool{"begin": false, "load": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s := beginAt(b, dir, testBoot)
				if load {
					if err := s.Load(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				s.crash()
			}
		})
	}
}
