package routing

import (
	"cmp"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Waiting is a call that waits at a routing point.
type Waiting struct {
	Visit
	Since time.Time
	// Asked: any router's word is taken, and none has come.
	Asked bool
}

// Waiting are the calls that wait at a routing point of this node, or at all of
// them when rp is "", in order of arrival. What happens to them then is told
// behind position at of the log of calls.
func (r *Engine) Waiting(rp dn.Number) (calls []Waiting, at uint64) {
	r.visits.mu.Lock()
	defer r.visits.mu.Unlock()
	for id, v := range r.visits.of {
		if !v.waits || rp != "" && rp != v.rp {
			continue
		}
		if c, up := r.calls.Get(id); up {
			calls = append(calls, Waiting{Visit{Message: tlibpb.Message_MESSAGE_EVENT_QUEUED, Call: c, RP: v.rp, Tried: v.tried}, v.since, v.asked && !v.routed})
		}
	}
	slices.SortFunc(calls, func(a, b Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Call.ID, b.Call.ID))
	})
	return calls, r.calls.Head()
}
