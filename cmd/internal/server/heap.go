package server

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/beat"
)

const (
	// heapRoom is how many bytes may be allocated at least between two
	// collections. A node that has little to remember and much to do would
	// otherwise spend its time on collecting a few megabytes again and again.
	heapRoom = 64 << 20
	// maxHeapGrowth is the greatest percentage that the collector is set to.
	maxHeapGrowth = 1000
	// heapLook is how often the heap is looked at.
	heapLook = 2 * time.Second
	// heapLoading is by how many percent the heap may grow at least while a node reads
	// what it stored and hears of the DNs of others, nearly all of which stays.
	heapLoading = 400
	// heapLoads is how long that takes from serving on.
	heapLoads = 10 * time.Second

	// hugeFrom is up to where the heap is small, and stays in small pages: it gives back
	// what it does not need.
	hugeFrom = 128 << 20
	// hugeEach is what a byte that is stored becomes in memory, at most.
	hugeEach = 4
)

// heap is that of this process, of which the collector and the kernel hear how large
// it is. A kernel whose huge pages are for those who ask for them (transparent_hugepage is
// madvise) would bring in the heap of many DNs by pages of 4 KiB, which takes longer than
// reading what fills it. One that grows by and by gains nothing by them: with a million DNs
// a registration took a fifth more.
type heap struct {
	percent int // what the collector is set to; 0: to what GOGC says
}

// newHeap is one that what is stored in files of that many bytes will be read into.
func newHeap(stored uint64) *heap {
	h := &heap{}
	h.collect(heapLoading)
	if size := stored * hugeEach; size > hugeFrom && size <= machineMemory()/2 {
		growHuge(size)
	}
	return h
}

// grow adjusts the collector to the heap until the context ends.
func (h *heap) grow(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	loaded := time.Now().Add(heapLoads)
	t := beat.New(heapLook)
	defer t.Stop()
	for {
		metrics.Read(sample)
		p := heapGrowth(sample[0].Value.Uint64())
		if time.Now().Before(loaded) {
			p = max(p, heapLoading)
		}
		h.collect(p)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Again()
		}
	}
}

// collect sets by how many percent the heap may grow until it is collected. Where GOGC
// says how it has to be, that stays.
func (h *heap) collect(percent int) {
	if percent != h.percent && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
		h.percent = percent
	}
}

// storedAt is how many bytes the files of a directory have.
func storedAt(dir string) (n uint64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what can't be read is not loaded either
		}
		if info, err := d.Info(); err == nil {
			n += uint64(info.Size())
		}
		return nil
	})
	return n
}

// heapGrowth is by how many percent a heap may grow until it is collected: by as
// much as is live, as ever, but by not less than heapRoom. In steps of 50,
// because each change stops the world for a moment.
func heapGrowth(live uint64) int {
	p := maxHeapGrowth
	if live > 0 {
		p = int(min(maxHeapGrowth, heapRoom*100/live))
	}
	return max(100, p/50*50)
}

// growHuge asks for huge pages for the n bytes by which the heap will grow next. It is let
// grow by as much at once, untouched, and shrink again: the addresses stay the heap's,
// which fills the lowest first, and stay advised.
func growHuge(n uint64) {
	probe, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return // there are not so many addresses for this process, and the heap must not ask for them
	}
	_ = unix.Munmap(probe)
	_ = unix.Madvise(make([]byte, n), unix.MADV_HUGEPAGE) // without them it works, too
	debug.FreeOSMemory()
}

// machineMemory is how many bytes the machine has, or the process may have (GOMEMLIMIT).
func machineMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return min(info.Totalram*uint64(info.Unit), uint64(debug.SetMemoryLimit(-1)))
}
