package guard

import (
	"net/netip"
	"testing"
	"time"
)

var (
	office = netip.MustParseAddr("192.0.2.1")
	home   = netip.MustParseAddr("192.0.2.2")
)

// TestRate_WhoIsRefusedFillsNothing: the rate is the same however often somebody asks
// meanwhile.
func TestRate_WhoIsRefusedFillsNothing(t *testing.T) {
	for _, every := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 125 * time.Millisecond} {
		now := time.Unix(0, 0)
		r := NewRate(4, func() time.Time { return now })
		for r.Take(office) {
		}
		taken, until := 0, now.Add(10*time.Second+time.Millisecond)
		for ; now.Before(until); now = now.Add(every) {
			if r.Take(office) {
				taken++
			}
		}
		if taken < 39 || taken > 40 {
			t.Errorf("each %v: %d in ten seconds at a rate of 4", every, taken)
		}
	}
}

// TestRate_NobodyTakesAll: one source has the whole rate while nobody else comes, and
// leaves room for who comes.
func TestRate_NobodyTakesAll(t *testing.T) {
	now := time.Unix(0, 0)
	r := NewRate(100, func() time.Time { return now })
	for step := range 10_000 { // a second each 1,000
		now = now.Add(time.Millisecond)
		r.Take(office)
		if step%50 == 0 && !r.Take(home) {
			t.Fatalf("after %d ms nothing is left for another source", step)
		}
	}
	taken := 0
	for range 10_000 {
		now = now.Add(time.Millisecond)
		if r.Take(office) {
			taken++
		}
	}
	if taken < 995 || taken > 1030 {
		t.Errorf("alone it took %d in ten seconds at a rate of 100", taken)
	}
}

func TestRate_TheLeastThereIs(t *testing.T) {
	now := time.Unix(0, 0)
	for rate := 1; rate < 9; rate++ {
		r := NewRate(rate, func() time.Time { return now })
		if !r.Take(office) {
			t.Errorf("a rate of %d: nothing is taken", rate)
		}
		for r.Take(office) {
		}
		now = now.Add(time.Second)
		if !r.Take(office) {
			t.Errorf("a rate of %d: nothing is taken a second later", rate)
		}
	}
}
