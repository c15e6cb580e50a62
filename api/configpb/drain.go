package configpb

import "time"

// DrainEnd is when the DNs that are still at a draining node go out of service; the
// zero time: each when its registration ends, or the node does not drain.
func (x *Node) DrainEnd() time.Time {
	if !x.GetDraining() || x.GetDrainUntilMs() == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(x.GetDrainUntilMs()))
}

// Drained tells whether the node's deadline has passed: nothing may be in service there.
func (x *Node) Drained(now time.Time) bool {
	end := x.DrainEnd()
	return !end.IsZero() && !now.Before(end)
}
