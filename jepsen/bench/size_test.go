package main

import (
	"slices"
	"testing"
)

func TestParseSizes(t *testing.T) {
	got, err := parseSizes("3x10000,15x100000")
	if want := []size{{3, 10_000}, {15, 100_000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "3", "3x", "x3", "1x1000", "16x100000", "3x149", "3x10000,", "3x10000000000000000000000"} {
		if got, err := parseSizes(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}
