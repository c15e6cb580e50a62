package recent_test

import (
	"testing"

	"github.com/sipcluster/sipcluster/internal/recent"
)

func TestSet_RemembersTheLastAndForgetsTheRest(t *testing.T) {
	const most, added = 100, 1000
	s := recent.New(most)
	for i := range uint64(added) {
		s.Add(i)
		for back := range min(i+1, most) {
			if !s.Has(i - back) {
				t.Fatalf("%d is forgotten after %d more", i-back, back)
			}
		}
	}
	kept := 0
	for i := range uint64(added) {
		if s.Has(i) {
			kept++
		}
	}
	if kept > 2*most {
		t.Errorf("%d are kept, want at most %d", kept, 2*most)
	}
}
