package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

// seen is a batch of n datagrams that is read so long after the one before.
type seen struct {
	after, waited time.Duration
	n             int
	lost          bool
}

// TestLoad_NewCallsGiveWayWhileWhatIsReadIsLate, and for no burst.
func TestLoad_NewCallsGiveWayWhileWhatIsReadIsLate(t *testing.T) {
	const late, grave, hopeless, hour = lateAfter, graveAfter, hopelessAfter, time.Hour
	for name, x := range map[string]struct {
		steps                                       []seen
		overloaded, refuses, refusesPeers, hopeless bool
	}{
		"nothing is late":                    {steps: []seen{{0, 0, batch, false}, {hour, late - 1, batch, false}}},
		"a burst":                            {steps: []seen{{0, hopeless, batch, false}, {overloadedAfter - 1, hopeless, leastLate, false}}, hopeless: true},
		"a process that stood still":         {steps: []seen{{0, late, 1, false}, {hour, hour, leastLate - 2, false}}, hopeless: true},
		"two bursts":                         {steps: []seen{{0, late, leastLate, false}, {overloadedAfter / 2, 0, 1, false}, {overloadedAfter, late, leastLate, false}}},
		"it goes on":                         {steps: []seen{{0, late, batch, false}, {overloadedAfter, late, leastLate - batch, false}}, overloaded: true, refuses: true},
		"it goes on, gravely":                {steps: []seen{{0, late, batch, false}, {overloadedAfter, grave, leastLate, false}}, overloaded: true, refuses: true, refusesPeers: true},
		"it goes on, hopelessly":             {steps: []seen{{0, late, batch, false}, {overloadedAfter, hopeless, leastLate, false}}, overloaded: true, refuses: true, refusesPeers: true, hopeless: true},
		"who sends again would wait longer":  {steps: []seen{{0, hopeless, batch, false}, {overloadedAfter, hopeless - 1, leastLate, false}}, overloaded: true, refuses: true, refusesPeers: true},
		"the kernel has no room":             {steps: []seen{{0, 0, batch, true}, {overloadedAfter, 0, leastLate, true}}, overloaded: true, refuses: true, refusesPeers: true, hopeless: true},
		"there is room again for some calls": {steps: []seen{{0, late, batch, false}, {overloadedAfter, late, leastLate, false}, {relievedAfter - 1, late - 1, 1, false}}, overloaded: true},
		"and too many come at once":          {steps: []seen{{0, late, batch, false}, {overloadedAfter, late, leastLate, false}, {time.Millisecond, 0, 1, false}, {0, late, 1, false}}, overloaded: true, refuses: true},
		"it goes on for a second":            {steps: []seen{{0, late, batch, false}, {overloadedAfter, late, leastLate, false}, {relievedAfter / 2, late, leastLate, false}, {relievedAfter, 0, 1, false}}, overloaded: true},
		"only some are late now":             {steps: []seen{{0, late, batch, false}, {overloadedAfter, late, leastLate, false}, {relievedAfter / 2, late, leastLate - 1, false}, {relievedAfter, 0, 1, false}}},
		"it is over":                         {steps: []seen{{0, late, batch, false}, {overloadedAfter, late, leastLate, false}, {relievedAfter, 0, 1, false}, {0, late, leastLate, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l load
				for _, s := range x.steps {
					<-time.After(s.after)
					l.read(time.Now(), s.n, s.waited, s.lost)
				}
				now := time.Now()
				if got := l.overloaded.Load(); got != x.overloaded {
					t.Errorf("overloaded: %v", got)
				}
				if got := l.refuses(now, lateAfter); got != x.refuses {
					t.Errorf("refuses what is new: %v", got)
				}
				if got := l.refuses(now, graveAfter); got != x.refusesPeers {
					t.Errorf("refuses what peers began: %v", got)
				}
				if got := l.hopeless(); got != x.hopeless {
					t.Errorf("hopeless: %v", got)
				}
				if l.refuses(now.Add(overloadedAfter), lateAfter) {
					t.Error("what comes by a connection is refused when nothing waits any more")
				}
			})
		})
	}
}
