package server

import (
	"testing"
)

func TestHeapGrowth_ByNoLessThanTheRoom(t *testing.T) {
	for live, want := range map[uint64]int{0: 1000, 1 << 20: 1000, 16 << 20: 400, 30 << 20: 200, 64 << 20: 100, 4 << 30: 100} {
		if got := heapGrowth(live); got != want {
			t.Errorf("%d MiB: %d %%, want %d", live>>20, got, want)
		}
	}
}
