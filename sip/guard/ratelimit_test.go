package guard

import (
	"testing"
	"time"
)

// TestRateLimit_WhoIsRefusedFillsNothing: the rate is the same however often
// somebody asks meanwhile, who wants to know or to take.
func TestRateLimit_WhoIsRefusedFillsNothing(t *testing.T) {
	for name, ask := range map[string]func(*RateLimit) bool{"take": (*RateLimit).Take, "room": func(l *RateLimit) bool { return l.Room() && l.Take() }} {
		for _, every := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 125 * time.Millisecond} {
			now := time.Unix(0, 0)
			l := NewRateLimit(4, func() time.Time { return now })
			for l.Take() {
			}
			taken, until := 0, now.Add(10*time.Second+time.Millisecond)
			for ; now.Before(until); now = now.Add(every) {
				if ask(l) {
					taken++
				}
			}
			if taken < 39 || taken > 40 {
				t.Errorf("%s each %v: %d in ten seconds at a rate of 4", name, every, taken)
			}
		}
	}
}
