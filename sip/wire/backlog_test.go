package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestBacklog_NewCallsGiveWayWhileHalfOfAllIsLate, and for no burst; only what has waited does.
func TestBacklog_NewCallsGiveWayWhileHalfOfAllIsLate(t *testing.T) {
	const late = graveAfter
	type step struct {
		after, waited time.Duration
		n             int
	}
	for name, x := range map[string]struct {
		steps []step
		over  bool
		turns int
	}{
		"nothing is late":                        {steps: []step{{0, late - 1, 4 * leastLate}, {overloadedAfter, late - 1, 4 * leastLate}}},
		"a burst":                                {steps: []step{{0, 0, 1}, {overloadedAfter - 1, late, leastLate}}},
		"it goes on":                             {steps: []step{{0, 0, 1}, {0, late, leastLate - 1}, {overloadedAfter, late, 1}}, over: true, turns: 1},
		"others are read in time":                {steps: []step{{0, 0, 1}, {0, late, leastLate}, {overloadedAfter, 0, leastLate}}, over: true, turns: 1},
		"most are read in time":                  {steps: []step{{0, 0, 1}, {0, late, leastLate}, {0, 0, 2 * leastLate}, {overloadedAfter, late, 1}}},
		"little comes, and late":                 {steps: []step{{0, 0, 1}, {overloadedAfter, late, leastLate/2 - 2}, {relievedAfter, late, leastLate/2 - 2}, {relievedAfter, late, 1}}},
		"it goes on for a second":                {steps: []step{{0, 0, 1}, {0, late, leastLate}, {overloadedAfter, late, leastLate}, {relievedAfter, late, 1}}, over: true, turns: 1},
		"it is over":                             {steps: []step{{0, 0, 1}, {0, late, leastLate}, {overloadedAfter, late, 1}, {relievedAfter, late, leastLate / 2}}, turns: 2},
		"nothing has come since it began to be":  {steps: []step{{0, 0, 1}, {0, late, leastLate}, {overloadedAfter, late, 1}, {time.Hour, 0, 1}}, turns: 2},
		"a process that stood still for an hour": {steps: []step{{0, 0, 1}, {0, late, leastLate}, {time.Hour, late, leastLate}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := 0
				b := backlog{turned: func(bool) { turns++ }}
				for _, s := range x.steps {
					<-time.After(s.after)
					for range s.n {
						b.read(time.Now(), s.waited)
					}
				}
				if b.over != x.over || turns != x.turns {
					t.Errorf("over %v after %d turns, want %v, %d", b.over, turns, x.over, x.turns)
				}
				if got := b.read(time.Now(), late); got != x.over || b.refuses(time.Now()) != x.over {
					t.Errorf("what is late gives way: %v", got)
				}
				if b.refuses(time.Now().Add(overloadedAfter)) {
					t.Error("what another node has begun gives way when nothing waits any more")
				}
				if b.read(time.Now(), late-1) || b.refuses(time.Now()) {
					t.Error("what is in time gives way")
				}
			})
		})
	}
}
