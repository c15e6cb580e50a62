package server

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// advised is how many bytes of this process are for huge pages.
func advised(t *testing.T) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	size := 0
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		switch f[0] {
		case "Size:":
			k, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			size = k << 10
		case "VmFlags:":
			for _, flag := range f[1:] {
				if flag == "hg" {
					n += size
				}
			}
		}
	}
	return n
}

// A small node asks for nothing, one that stored much for what that becomes.
func TestHeap_AsksForHugePagesWhenItIsLarge(t *testing.T) {
	if machineMemory() < 8<<30 {
		t.Skip("SKIPPED: the machine is small")
	}
	t.Setenv("GOGC", "100")
	before := advised(t)
	newHeap(10 << 20)
	if n := advised(t); n != before {
		t.Errorf("a small one: %d MiB", (n-before)>>20)
	}
	newHeap(300 << 20)
	if n := advised(t) - before; n < 1<<30 {
		t.Errorf("a large one: %d MiB", n>>20)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 256<<20 {
		t.Errorf("the heap has %d MiB", m.HeapAlloc>>20)
	}
}

func TestStoredAt_IsWhatTheFilesHave(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b/c"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := storedAt(dir); n != 2000 {
		t.Error(n)
	}
	if n := storedAt(filepath.Join(dir, "absent")); n != 0 {
		t.Error(n)
	}
}

func TestHeapGrowth_ByNoLessThanTheRoom(t *testing.T) {
	for live, want := range map[uint64]int{0: 1000, 1 << 20: 1000, 16 << 20: 400, 30 << 20: 200, 64 << 20: 100, 4 << 30: 100} {
		if got := heapGrowth(live); got != want {
			t.Errorf("%d MiB: %d %%, want %d", live>>20, got, want)
		}
	}
}
