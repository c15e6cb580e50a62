package dn

import (
	"testing"
	"unsafe"
)

// TestEntry_Size: a million DNs are kept at each node, so what one takes is part of the
// design: these are size classes of the allocator, beyond which the next one is 16 bytes more.
func TestEntry_Size(t *testing.T) {
	if e, r := unsafe.Sizeof(entry{}), unsafe.Sizeof(record{}); e > 112 || r > 48 {
		t.Errorf("a DN takes %d bytes and %d for each record, want at most 112 and 48", e, r)
	}
}
