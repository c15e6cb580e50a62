package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
)

// TestKept_HasTheNewestContent, however many come together, and says when it can't.
func TestKept_HasTheNewestContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	k := disk.NewKept(path, 0o600)
	var waits []func() error
	for i := range 100 {
		waits = append(waits, k.Put(fmt.Append(nil, i)))
	}
	for _, wait := range waits {
		must(t, wait())
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "99" {
		t.Errorf("%q, %v", b, err)
	}
	nowhere := disk.NewKept(filepath.Join(path, "below"), 0o600)
	if err := nowhere.Put(nil)(); err == nil || errors.Is(err, disk.ErrStalled) {
		t.Errorf("where no file can be: %v", err)
	}
}

// TestKept_WaitsForNoDiskThatStalls: who puts does not wait at all, who wants to know
// waits for a while, and the newest is there when the disk answers.
func TestKept_WaitsForNoDiskThatStalls(t *testing.T) {
	m := lossyfs.New(t)
	path := filepath.Join(m.Dir, "file")
	k := disk.NewKept(path, 0o600)
	must(t, k.Put([]byte("before"))())
	m.Freeze()
	var waits []func() error
	for i := range 100 {
		waits = append(waits, k.Put(fmt.Append(nil, i)))
	}
	if err := waits[99](); !errors.Is(err, disk.ErrStalled) {
		t.Errorf("on a frozen disk: %v", err)
	}
	m.Thaw()
	for i, wait := range waits {
		if err := wait(); err != nil {
			t.Errorf("%d, after the disk has answered: %v", i, err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "99" {
		t.Errorf("%q, %v", b, err)
	}
}
