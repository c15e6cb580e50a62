package location

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sipcluster/sipcluster/node/dn"
)

// The model of the store: what it holds, and what a crash may not take.
type model struct {
	t       *rapid.T
	dir     string
	s       *Store
	now     map[dn.Number]*Entry
	flushed map[dn.Number]*Entry
	claim   int64
}

// open is a start, which may be caught between Begin and Load.
func (m *model) open() {
	s, err := begin(Config{Dir: m.dir, Log: quiet()}, testBoot, testTune)
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
	if rapid.Bool().Draw(m.t, "loads at once") {
		m.load(m.t)
	}
}

func (m *model) load(t *rapid.T) {
	if err := m.s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (m *model) put(t *rapid.T) {
	m.claim++
	n := rapid.IntRange(0, 12).Draw(t, "dn")
	e := entry(fmt.Sprint(n), m.claim, time.Now().Add(time.Hour))
	for range rapid.IntRange(0, 2).Draw(t, "more") {
		e.Bindings = append(e.Bindings, e.Bindings[0])
	}
	if rapid.Bool().Draw(t, "oos") {
		e.Bindings, e.Record.State = nil, dn.OOS
	}
	m.s.Put(e)
	m.now[e.Record.Number] = e
}

func (m *model) delete(t *rapid.T) {
	n := dn.Number(fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "dn")))
	m.s.Delete(n)
	delete(m.now, n)
}

func (m *model) flush(t *rapid.T) {
	if err := m.s.Flush(); err != nil {
		t.Fatal(err)
	}
	m.flushed = maps.Clone(m.now)
}

func (m *model) fold(t *rapid.T) {
	m.flush(t)
	if m.s.base != nil {
		m.s.suspect = true
		if m.s.foldDue(time.Now()) {
			t.Fatal("a base that is being read would be written")
		}
		return
	}
	if err := m.s.fold(); err != nil {
		t.Fatal(err)
	}
}

func (m *model) restart(t *rapid.T) {
	m.s.crash()
	m.open()
	m.now = maps.Clone(m.flushed)
	m.check(t)
}

// torn crashes in the middle of a flush: at every byte of what it writes.
func (m *model) torn(t *rapid.T) {
	m.flush(t)
	before, gen, from := m.flushed, m.s.journal.gen, m.s.journal.size
	if m.s.journal.file == nil {
		return // folded just now: there is no journal to tear
	}
	for range rapid.IntRange(1, 3).Draw(t, "queued") {
		m.put(t)
	}
	m.flush(t)
	m.s.crash()
	if m.s.journal.gen != gen {
		t.Fatal("the journal changed in the middle")
	}
	m.tear(t, gen, from, before)
	m.open()
}

func (m *model) tear(t *rapid.T, gen uint64, from int64, before map[dn.Number]*Entry) {
	b, err := os.ReadFile(m.s.journalPath(gen))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.MkdirTemp("", "torn")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(copied)
	last := 0
	for at := int(from); at <= len(b); at++ {
		n := 0
		good := readFrames(b[:at], func(string) error { n++; return nil })
		if good < int(from) || n < last || hasFrame(b[good:at]) {
			t.Fatalf("cut at %d: %d frames in %d bytes", at, n, good)
		}
		last = n
	}
	cuts := rapid.SliceOfN(rapid.IntRange(int(from), len(b)), 2, 2).Draw(t, "cuts")
	slices.Sort(cuts)
	fewest := 0
	for i, at := range append(cuts, len(b)) {
		dir := filepath.Join(copied, fmt.Sprint(i))
		if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(m.s.journalPath(gen))), b[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		n := m.newer(t, dir, before)
		if n < fewest {
			t.Fatalf("cut at %d of %d: fewer new entries than with less", at, len(b))
		}
		fewest = n
	}
	if fewest != 13 {
		t.Fatal("the whole journal did not bring everything")
	}
}

// newer opens dir, where each DN must be as before or as flushed, and counts
// the latter.
func (m *model) newer(t *rapid.T, dir string, before map[dn.Number]*Entry) int {
	s, err := open(Config{Dir: dir, Log: quiet()}, testBoot, testTune)
	if err != nil {
		t.Fatal(err)
	}
	defer s.crash()
	n := 0
	for i := range 13 {
		number := dn.Number(fmt.Sprint(i))
		got := s.Get(number)
		switch {
		case same(got, m.flushed[number], time.Minute):
			n++
		case !same(got, before[number], time.Minute):
			t.Fatalf("DN %s is neither as before nor as after: %+v", number, got)
		}
	}
	if damaged, _ := filepath.Glob(filepath.Join(dir, "*.damaged-*")); len(damaged) > 0 {
		t.Fatalf("a torn end was taken for damage: %v", damaged)
	}
	return n
}

func (m *model) check(t *rapid.T) {
	if m.s.base != nil {
		n := dn.Number(fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "asked")))
		if got := m.s.Get(n); !same(got, m.now[n], time.Minute) || !same(m.s.GetBytes([]byte(n)), got, 0) {
			t.Fatalf("DN %s before all is loaded: %+v, want %+v", n, got, m.now[n])
		}
		return
	}
	got := contents(m.s)
	if !maps.EqualFunc(got, m.now, func(a, b *Entry) bool { return same(a, b, time.Minute) }) {
		t.Fatalf("store %v\nmodel %v", got, m.now)
	}
	if m.s.Len() != len(m.now) {
		t.Fatalf("Len %d, want %d", m.s.Len(), len(m.now))
	}
}

func TestStore_FollowsItsModelThroughCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "location")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{t: t, dir: dir, now: map[dn.Number]*Entry{}, flushed: map[dn.Number]*Entry{}}
		m.open()
		defer func() { m.s.crash() }()
		t.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put2": m.put, "put3": m.put, "delete": m.delete, "flush": m.flush, "fold": m.fold, "restart": m.restart, "load": m.load,
			"torn": m.torn, "": m.check,
		})
	})
}
