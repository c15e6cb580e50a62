package recent_test

import (
	"maps"
	"testing"

	"github.com/sipcluster/sipcluster/internal/recent"
)

func TestMap_RemembersTheLastAndForgetsTheRest(t *testing.T) {
	const most, put = 100, 1000
	m := recent.NewMap[int, int](most)
	for i := range put {
		m.Put(i, -i)
		for back := range min(i+1, most) {
			if v, ok := m.Get(i - back); !ok || v != back-i {
				t.Fatalf("%d is %d, %v after %d more", i-back, v, ok, back)
			}
		}
	}
	if kept := len(maps.Collect(m.All())); kept < most || kept > 2*most {
		t.Errorf("%d are kept, want %d to %d", kept, most, 2*most)
	}
}

func TestMap_WhatIsPutAgainCountsAndIsThereOnce(t *testing.T) {
	m := recent.NewMap[string, int](2)
	for i, k := range []string{"a", "b", "c", "a"} {
		m.Put(k, i)
	}
	if v, _ := m.Get("a"); v != 3 {
		t.Errorf("a is %d, want what was put last", v)
	}
	seen := 0
	for k := range m.All() {
		if k == "a" {
			seen++
		}
	}
	m.Delete("a")
	if _, ok := m.Get("a"); ok || seen != 1 {
		t.Errorf("a is there %d times, and when deleted: %v", seen, ok)
	}
}
