package lossyfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func syncPath(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	must(t, errors.Join(f.Sync(), f.Close()))
}

// left has the power fail with a seed and lists what is there, with content.
func left(t *testing.T, m *Mount, image int, seed uint64) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "left")
	m.Extract(image, seed, dir)
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(b)
		return err
	}))
	return files
}

func TestMount_AFileOrItsContentThatWasNotSyncedIsGone(t *testing.T) {
	m := New(t)
	path := func(name string) string { return filepath.Join(m.Dir, name) }
	for _, name := range []string{"nothing", "content", "name", "both"} {
		must(t, os.WriteFile(path(name), []byte("x"), 0o600))
	}
	syncPath(t, path("name"))
	syncPath(t, path("both"))
	if got := left(t, m, m.Take(), 0); len(got) != 0 {
		t.Errorf("without a sync of the directory there is %v", got)
	}
	must(t, os.Remove(path("name")))
	must(t, os.Remove(path("nothing")))
	syncPath(t, m.Dir)
	if got := left(t, m, m.Take(), 0); fmt.Sprint(got) != "map[both:x content:]" {
		t.Errorf("with it there is %q", got)
	}
	if got := left(t, m, m.Take(), 1); fmt.Sprint(got) != "map[both:x content:x]" {
		t.Errorf("with luck there is %q", got)
	}
}

func TestMount_ARenameIsDurableWithItsDirectoryOnly(t *testing.T) {
	m := New(t)
	old, name := filepath.Join(m.Dir, "old"), filepath.Join(m.Dir, "name")
	for path, text := range map[string]string{old: "2", name: "1"} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		syncPath(t, path)
	}
	syncPath(t, m.Dir)
	must(t, os.Rename(old, name))
	for seed, want := range map[uint64]string{0: "map[name:1 old:2]", 1: "map[name:2]"} {
		if got := left(t, m, m.Take(), seed); fmt.Sprint(got) != want {
			t.Errorf("seed %d: %v, want %s", seed, got, want)
		}
	}
	syncPath(t, m.Dir)
	if got := left(t, m, m.Take(), 0); fmt.Sprint(got) != "map[name:2]" {
		t.Errorf("synced: %v", got)
	}
	if err := os.Mkdir(filepath.Join(m.Dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, filepath.Join(m.Dir, "d", "name")); !errors.Is(err, syscall.EXDEV) {
		t.Errorf("from one directory to another: %v", err)
	}
}

// TestMount_TornWritesAreOfWholeSectors finds with many seeds all that may be
// left of an overwrite and a longer file, and nothing else.
func TestMount_TornWritesAreOfWholeSectors(t *testing.T) {
	m := New(t)
	path := filepath.Join(m.Dir, "f")
	must(t, os.WriteFile(path, bytes.Repeat([]byte("a"), 2*page), 0o600))
	syncPath(t, path)
	syncPath(t, m.Dir)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte("b"), 2*page), page)
	must(t, errors.Join(err, f.Close()))
	sizes, mixed, hole := map[int]bool{}, false, false
	image := m.Take()
	for seed := range uint64(100) {
		b := left(t, m, image, seed)["f"]
		sizes[len(b)] = true
		if i := bytes.IndexFunc([]byte(b[:page]), func(r rune) bool { return r != 'a' }); i >= 0 {
			t.Fatalf("seed %d: byte %d changed, which nobody wrote", seed, i)
		}
		for unit := range slices.Chunk([]byte(b[page:]), sector) {
			if len(bytes.Trim(unit, string(unit[:1]))) > 0 {
				t.Fatalf("seed %d: half a sector was written", seed)
			}
			hole = hole || unit[0] == 0
		}
		second := b[page : 2*page]
		mixed = mixed || bytes.ContainsRune([]byte(second), 'a') && bytes.ContainsRune([]byte(second), 'b')
	}
	if !sizes[2*page] || !sizes[3*page] || !mixed || !hole {
		t.Errorf("sizes %v, torn page %v, zeros %v: not all that may be left was seen", sizes, mixed, hole)
	}
}

func TestMount_MappedPagesSeeWrites(t *testing.T) {
	m := New(t)
	f, err := os.OpenFile(filepath.Join(m.Dir, "f"), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(3*page))
	mapped, err := unix.Mmap(int(f.Fd()), 0, 3*page, unix.PROT_READ, unix.MAP_SHARED)
	must(t, err)
	defer func() { must(t, unix.Munmap(mapped)) }()
	for i := range 200 {
		at := i * 61 % (3*page - 4)
		_, err := f.WriteAt(fmt.Appendf(nil, "%04d", i), int64(at))
		must(t, err)
		if got := string(mapped[at : at+4]); got != fmt.Sprintf("%04d", i) {
			t.Fatalf("write %d: mapped page says %q", i, got)
		}
	}
}

// TestMount_AFailedFsyncLosesThePagesForGood is what Linux does: the next fsync
// finds clean pages and says that all is well.
func TestMount_AFailedFsyncLosesThePagesForGood(t *testing.T) {
	m := New(t)
	path := filepath.Join(m.Dir, "f")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	syncPath(t, m.Dir)
	m.Fail(Fault{Kind: "sync", Name: "f", Count: 1, Errno: syscall.EIO})
	_, err = f.WriteString("lost")
	must(t, err)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("fsync: %v", err)
	}
	must(t, f.Sync())
	_, err = f.WriteString("kept")
	must(t, errors.Join(err, f.Sync()))
	if b, err := os.ReadFile(path); err != nil || string(b) != "lostkept" {
		t.Errorf("read %q, %v", b, err)
	}
	if got := left(t, m, m.Take(), 1)["f"]; got != "\x00\x00\x00\x00kept" {
		t.Errorf("on the disk: %q", got)
	}
}

func TestMount_FaultsMeetTheOperationsTheyName(t *testing.T) {
	m := New(t)
	m.Fail(
		Fault{Kind: "write", Name: "a", Skip: 1, Count: 2, Errno: syscall.ENOSPC},
		Fault{Kind: "write", Name: "b", Count: 1, Short: 50},
		Fault{Kind: "create", Name: "c", Errno: syscall.EIO},
	)
	a, err := os.Create(filepath.Join(m.Dir, "a"))
	must(t, err)
	defer a.Close()
	for i, want := range []error{nil, syscall.ENOSPC, syscall.ENOSPC, nil} {
		if _, err := a.WriteString("x"); !errors.Is(err, want) {
			t.Errorf("write %d: %v, want %v", i, err, want)
		}
	}
	fd, err := unix.Open(filepath.Join(m.Dir, "b"), unix.O_CREAT|unix.O_WRONLY, 0o600)
	must(t, err)
	n, err := unix.Write(fd, []byte("0123456789"))
	must(t, errors.Join(err, unix.Close(fd)))
	if n != 5 {
		t.Errorf("%d bytes written, want a short write of 5", n)
	}
	if _, err := os.Create(filepath.Join(m.Dir, "c")); !errors.Is(err, syscall.EIO) {
		t.Errorf("create: %v", err)
	}
	if got := m.Log(); !slices.Contains(got, "write b") || !slices.Contains(got, "create c") {
		t.Errorf("log %q", got)
	}
}

// TestMount_ABoltFileSurvivesAtEveryOperation is a check of the disk with a
// database that is known to be sound: what it committed is there.
func TestMount_ABoltFileSurvivesAtEveryOperation(t *testing.T) {
	m := New(t)
	path := filepath.Join(m.Dir, "db")
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	syncPath(t, m.Dir)
	m.Watch(Plan{Every: 1, Most: 1000})
	var committed []int // how many operations there were when a commit returned
	for i := range 20 {
		must(t, db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte("k"), []byte{byte(i)})
		}))
		committed = append(committed, len(m.Log()))
	}
	must(t, db.Close())
	dir := filepath.Join(t.TempDir(), "left")
	for i, im := range m.Images() {
		m.Extract(i, uint64(i), dir)
		db, err := bolt.Open(filepath.Join(dir, "db"), 0o600, &bolt.Options{ReadOnly: true})
		must(t, err)
		want := slices.IndexFunc(committed, func(n int) bool { return n > im.Step })
		must(t, db.View(func(tx *bolt.Tx) error {
			got := -1
			if b := tx.Bucket([]byte("b")); b != nil {
				got = int(b.Get([]byte("k"))[0])
			}
			if want >= 0 && (got < want-1 || got > want) {
				t.Errorf("image %d at operation %d: value %d, want %d or %d", i, im.Step, got, want-1, want)
			}
			return nil
		}))
		must(t, db.Close())
	}
}

func TestMount_GoesOnWithWhatIsLeft(t *testing.T) {
	m := New(t)
	dir := filepath.Join(m.Dir, "d")
	must(t, os.Mkdir(dir, 0o700))
	syncPath(t, m.Dir)
	for i := range 3 {
		path := filepath.Join(dir, "f")
		must(t, os.WriteFile(path, fmt.Appendf(nil, "%d", i), 0o600))
		syncPath(t, path)
		syncPath(t, dir)
		must(t, os.WriteFile(path, []byte("unsynced"), 0o600))
		m.Crash(0)
		if b, err := os.ReadFile(path); err != nil || string(b) != fmt.Sprint(i) {
			t.Fatalf("round %d: %q, %v", i, b, err)
		}
	}
}

// A frozen disk is read, and has whoever writes wait until it thaws: then nothing
// is lost.
func TestFreeze_WritersWaitAndReadersDoNot(t *testing.T) {
	m := New(t)
	path := filepath.Join(m.Dir, "f")
	must(t, os.WriteFile(path, []byte("before"), 0o600))
	m.Freeze()
	if b, err := os.ReadFile(path); err != nil || string(b) != "before" {
		t.Errorf("%q, %v", b, err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(path, []byte("behind"), 0o600) }()
	select {
	case err := <-wrote:
		t.Errorf("written while it was frozen: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	m.Thaw()
	must(t, <-wrote)
	if b, err := os.ReadFile(path); err != nil || string(b) != "behind" {
		t.Errorf("%q, %v", b, err)
	}
}
