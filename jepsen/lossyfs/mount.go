package lossyfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Mount is a mounted file system, seen from a test. Its methods fail the test
// when the file system can't be talked to.
type Mount struct {
	// Dir is where it is mounted.
	Dir string

	t testing.TB
	p *Process
}

// program is built once by each test binary, which alone has it then: of the
// file nothing is left on the disk, however the tests end.
var program = sync.OnceValues(func() (_ *os.File, err error) {
	dir, err := os.MkdirTemp("", "lossyd-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := Build(dir)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
})

// New mounts a file system until the test ends. Where that is impossible, for
// want of root or FUSE, the test is skipped, loudly; under CI it fails.
func New(t testing.TB) *Mount {
	t.Helper()
	if why := Missing(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a file system that forgets can't be mounted: %s", why)
		}
		t.Skipf("SKIPPED: a file system that forgets can't be mounted: %s", why)
	}
	m := &Mount{Dir: t.TempDir(), t: t}
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *Mount) start() (err error) {
	file, err := program()
	if err != nil {
		return err
	}
	m.p, err = Start(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd()), m.Dir, (*exec.Cmd).Start)
	if err != nil {
		return err
	}
	m.t.Cleanup(func() {
		if err := m.p.Close(); err != nil {
			m.t.Error(err)
		}
	})
	return nil
}

func (m *Mount) ask(o order) answer {
	m.t.Helper()
	a, err := m.p.ask(o)
	if err != nil {
		m.t.Fatal(err)
	}
	return a
}

// Watch forgets the images and the log and takes images by the plan from now on.
func (m *Mount) Watch(p Plan) {
	m.t.Helper()
	m.ask(order{Watch: &p})
}

// Take takes an image now and returns its number.
func (m *Mount) Take() int {
	m.t.Helper()
	return m.ask(order{Take: true}).Taken
}

// Images are those taken since Watch.
func (m *Mount) Images() []Image {
	m.t.Helper()
	return m.ask(order{Images: true}).Images
}

// Log has a line per operation since Watch: its kind and the file's name.
func (m *Mount) Log() []string {
	m.t.Helper()
	return m.ask(order{Log: true}).Log
}

// Fail has operations fail from now on; without a fault none does.
func (m *Mount) Fail(faults ...Fault) {
	m.t.Helper()
	m.ask(order{Fail: faults})
}

// Met counts the operations that failed since Fail.
func (m *Mount) Met() int {
	m.t.Helper()
	return m.ask(order{Met: true}).Met
}

// Freeze has whoever writes or syncs wait from now on, for ever unless Thaw or the
// test's end comes; reading goes on.
func (m *Mount) Freeze() {
	m.t.Helper()
	on := true
	m.ask(order{Freeze: &on})
}

// Thaw lets them go on.
func (m *Mount) Thaw() {
	m.t.Helper()
	off := false
	m.ask(order{Freeze: &off})
}

// Extract writes what the power failure at an image left into a directory of
// the host. Seed 0 loses everything unsynced, seed 1 nothing, others a part.
func (m *Mount) Extract(image int, seed uint64, to string) {
	m.t.Helper()
	m.ask(order{Extract: &extract{Image: image, Seed: seed, To: to}})
}

// Restore has the mount go on with what the power failure left. No file of it
// may be open.
func (m *Mount) Restore(image int, seed uint64) {
	m.t.Helper()
	m.ask(order{Extract: &extract{Image: image, Seed: seed}})
}

// Crash is a power failure now, for processes that were killed.
func (m *Mount) Crash(seed uint64) {
	m.t.Helper()
	m.Restore(m.Take(), seed)
}

// Memory is a directory for what Extract writes, on a file system in memory: a
// store that is opened there waits for no disk.
func Memory(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256m"); err != nil {
		t.Fatalf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return filepath.Join(dir, "left")
}
