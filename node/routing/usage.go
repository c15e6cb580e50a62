package routing

import (
	"maps"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// sweepUsed is from how many DNs on usage is searched for those that are no more.
const sweepUsed = 1024

// usage is when this node last sent a call to a DN, for the strategy.
type usage struct {
	view func() *fsm.View

	mu      sync.Mutex
	last    map[dn.Number]int64
	sweepAt int // how many of them are searched for DNs that are no more
}

func newUsage(view func() *fsm.View) *usage {
	return &usage{view: view, last: map[dn.Number]int64{}, sweepAt: sweepUsed}
}

// of a DN, ns since the epoch; 0 for never.
func (u *usage) of(n dn.Number) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last[n]
}

// note that a call was sent to the DN.
func (u *usage) note(n dn.Number) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.last) >= u.sweepAt {
		view := u.view()
		maps.DeleteFunc(u.last, func(n dn.Number, _ int64) bool { return view.DN(string(n)) == nil })
		u.sweepAt = max(sweepUsed, 2*len(u.last))
	}
	u.last[n] = time.Now().UnixNano()
}
