package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// everywhere has the power fail before each operation of do and after the last,
// in several ways, and checks what is left. done says that do had returned.
func everywhere(t *testing.T, m *lossyfs.Mount, do func() error, check func(t *testing.T, dir string, done bool)) {
	t.Helper()
	m.Watch(lossyfs.Plan{Every: 1, Most: 100})
	must(t, do())
	last, left := m.Take(), lossyfs.Memory(t)
	for i := range last + 1 {
		for seed := range uint64(8) {
			m.Extract(i, seed, left)
			check(t, left, i == last)
			if t.Failed() {
				t.Fatalf("image %d of %d, seed %d: %q", i, last, seed, m.Log())
			}
		}
	}
}

func TestWriteFile_ThereIsTheOldOrTheNewContent(t *testing.T) {
	m := lossyfs.New(t)
	path := filepath.Join(m.Dir, "f")
	text := func(x string) string { return strings.Repeat(x, 3000) }
	old := ""
	for _, now := range []string{"a", "b", "c"} {
		everywhere(t, m, func() error { return disk.WriteFile(path, []byte(text(now)), 0o640) }, func(t *testing.T, dir string, done bool) {
			b, err := os.ReadFile(filepath.Join(dir, "f"))
			switch {
			case err == nil && string(b) == text(now):
			case !done && err == nil && old != "" && string(b) == text(old):
			case !done && old == "" && errors.Is(err, os.ErrNotExist):
			default:
				t.Errorf("%.20q, %v", b, err)
			}
		})
		old = now
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Who was killed while it wrote leaves a file beside, whatever its length.
func TestWriteFile_NothingStaysOfWhatWasNotFinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path+".new", []byte(strings.Repeat("x", 3000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(path, []byte("now"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "now" {
		t.Errorf("%.20q, %v", b, err)
	}
}

func TestWriteFile_AFailureLeavesTheOldContent(t *testing.T) {
	m := lossyfs.New(t)
	path := filepath.Join(m.Dir, "f")
	must(t, disk.WriteFile(path, []byte("old"), 0o600))
	for _, kind := range []string{"create", "write", "sync", "rename"} {
		m.Fail(lossyfs.Fault{Kind: kind, Errno: syscall.EIO})
		if err := disk.WriteFile(path, []byte("new"), 0o600); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s fails: %v", kind, err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
			t.Errorf("%s fails: %q, %v", kind, b, err)
		}
		if _, err := os.Stat(path + ".new"); (err == nil) != (kind == "rename") {
			t.Errorf("%s fails, and of the half of a file: %v", kind, err)
		}
	}
	m.Fail(lossyfs.Fault{Kind: "syncdir", Errno: syscall.EIO})
	if err := disk.WriteFile(path, []byte("new"), 0o600); !errors.Is(err, syscall.EIO) {
		t.Errorf("the directory's fsync fails: %v", err)
	}
	m.Fail(lossyfs.Fault{Kind: "write", Short: 50, Count: 1})
	must(t, disk.WriteFile(path, []byte("newest"), 0o600))
	if b, err := os.ReadFile(path); err != nil || string(b) != "newest" {
		t.Errorf("after a short write: %q, %v", b, err)
	}
}

func TestMakeDir_EveryNewDirectoryStays(t *testing.T) {
	m := lossyfs.New(t)
	for _, dir := range []string{"a", "b/c/d", "b/c/e"} {
		everywhere(t, m, func() error { return disk.MakeDir(filepath.Join(m.Dir, dir), 0o700) }, func(t *testing.T, left string, done bool) {
			if info, err := os.Stat(filepath.Join(left, dir)); done && (err != nil || !info.IsDir()) {
				t.Errorf("%s: %v", dir, err)
			}
		})
	}
	// Made, and killed before its name was durable.
	killed := filepath.Join(m.Dir, "killed")
	must(t, os.Mkdir(killed, 0o700))
	everywhere(t, m, func() error { return disk.MakeDir(killed, 0o700) }, func(t *testing.T, left string, done bool) {
		if _, err := os.Stat(filepath.Join(left, "killed")); done && err != nil {
			t.Error(err)
		}
	})
	if err := disk.MakeDir("/dev/null", 0o700); err == nil {
		t.Error("a file is taken for a directory")
	}
	m.Fail(lossyfs.Fault{Kind: "syncdir", Errno: syscall.EIO})
	if err := disk.MakeDir(filepath.Join(m.Dir, "x"), 0o700); !errors.Is(err, syscall.EIO) {
		t.Errorf("the parent's fsync fails: %v", err)
	}
}

func TestMakeBolt_IsNeverFoundHalfMade(t *testing.T) {
	m := lossyfs.New(t)
	path := filepath.Join(m.Dir, "db")
	opens := func(t *testing.T, dir string, done bool) {
		_, err := os.Stat(filepath.Join(dir, "db"))
		if done && err != nil {
			t.Error(err)
		}
		if err != nil {
			return
		}
		db, err := bolt.Open(filepath.Join(dir, "db"), 0o600, &bolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		must(t, db.Close())
	}
	must(t, os.WriteFile(path+".new", []byte("half made by one that was killed"), 0o600))
	everywhere(t, m, func() error { return disk.MakeBolt(path) }, opens)
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }))
	must(t, db.Close())
	everywhere(t, m, func() error { return disk.MakeBolt(path) }, opens)
	db, err = bolt.Open(path, 0o600, nil)
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte("b")) == nil {
			t.Error("a file that was there was made anew")
		}
		return nil
	}))
}

func TestMakeBolt_FullDisk(t *testing.T) {
	m := lossyfs.New(t)
	for _, f := range []lossyfs.Fault{{Kind: "create"}, {Kind: "write"}, {Kind: "sync"}, {Kind: "rename"}} {
		f.Errno = syscall.ENOSPC
		m.Fail(f)
		if err := disk.MakeBolt(filepath.Join(m.Dir, "db")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", f.Kind, err)
		}
		m.Fail()
		must(t, os.RemoveAll(filepath.Join(m.Dir, "db")))
	}
	must(t, disk.MakeBolt(filepath.Join(m.Dir, "db")))
}

// A file system that can't make a directory's names durable is no failure; any
// other word of it is.
func TestSyncDir_WhatIsNoFailure(t *testing.T) {
	m := lossyfs.New(t)
	for errno, bad := range map[syscall.Errno]bool{syscall.EINVAL: false, syscall.ENOTSUP: false, syscall.EIO: true, syscall.ENOSPC: true} {
		m.Fail(lossyfs.Fault{Kind: "syncdir", Errno: errno})
		if err := disk.SyncDir(m.Dir); (err != nil) != bad || bad && !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := disk.SyncDir(filepath.Join(m.Dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestMakeDir_HasItsModeAndIsNoFile(t *testing.T) {
	dir := t.TempDir()
	made := filepath.Join(dir, "a", "b")
	must(t, disk.MakeDir(made, 0o700))
	must(t, disk.MakeDir(made, 0o750)) // it is there, as it is
	for _, path := range []string{made, filepath.Dir(made)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, path := range []string{file, filepath.Join(file, "below"), filepath.Join(file, "far", "below")} {
		if err := disk.MakeDir(path, 0o700); err == nil {
			t.Errorf("%s is taken for a directory", path)
		}
	}
}

func TestMakeBolt_IsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	must(t, os.WriteFile(path, nil, 0o644)) // made, and nothing in it
	must(t, disk.MakeBolt(path))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 0 {
		t.Errorf("left beside it: %v, %v", left, err)
	}
}

// What bbolt does on a damaged file is an error, what else happens is as it was.
func TestGuard_TurnsAPanicIntoAnError(t *testing.T) {
	other := errors.New("other")
	if err := disk.Guard(func() error { return other }); !errors.Is(err, other) || errors.Is(err, disk.ErrDamaged) {
		t.Errorf("an error became %v", err)
	}
	if err := disk.Guard(func() error { return nil }); err != nil {
		t.Errorf("success became %v", err)
	}
	if err := disk.Guard(func() error { panic("page 7 is not there") }); !errors.Is(err, disk.ErrDamaged) || !strings.Contains(err.Error(), "page 7") {
		t.Errorf("a panic became %v", err)
	}
}

// Pages of a file that became shorter can't be read: that is an error too, and
// ends nobody.
func TestGuard_TurnsAFaultInMappedPagesIntoAnError(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(1<<16))
	b, err := syscall.Mmap(int(f.Fd()), 0, 1<<16, syscall.PROT_READ, syscall.MAP_SHARED)
	must(t, err)
	defer func() { must(t, syscall.Munmap(b)) }()
	must(t, f.Truncate(0))
	sum := byte(0)
	if err := disk.Guard(func() error { sum += b[1<<15]; return nil }); !errors.Is(err, disk.ErrDamaged) {
		t.Errorf("a fault became %v (%d)", err, sum)
	}
	if debug.SetPanicOnFault(false) {
		t.Error("faults go on to be panics")
	}
}

func TestSetAside_KeepsTheFileUnderANameOfThatTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	must(t, os.WriteFile(path, []byte("damaged"), 0o600))
	to, err := disk.SetAside(path, time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("x", 3600)))
	if want := path + ".damaged-20260203T030506.000000007Z"; err != nil || to != want {
		t.Errorf("%s, %v: want %s", to, err, want)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "damaged" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := disk.SetAside(path, time.Now()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
