package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

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
)

// growHeap adjusts the collector to the heap until the context ends. Where GOGC
// says how it has to be, that stays.
func growHeap(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	t := beat.New(heapLook)
	defer t.Stop()
	for {
		metrics.Read(sample)
		if p := heapGrowth(sample[0].Value.Uint64()); p != set {
			debug.SetGCPercent(p)
			set = p
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Again()
		}
	}
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
