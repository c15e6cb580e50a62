package configpb

import "time"

// DrainEnd is when the DNs that are still at a draining node go out of service, by the
// clock of the node that was asked; the zero time: each when its registration ends, or
// the node does not drain.
func (x *Node) DrainEnd() time.Time {
	if !x.GetDraining() || x.GetDrainUntilMs() == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(x.GetDrainUntilMs()))
}
