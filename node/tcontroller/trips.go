package tcontroller

import (
	"slices"
	"time"
)

// maxTrips is how many round trips the clocks' difference is taken from: of some six seconds
// to a far peer and 25 to a near one, in which clocks drift by less than a round trip; one
// that has drifted by more is contradicted.
const maxTrips = 64

// trip is one round trip of a ping. Wall times are ns since the epoch.
type trip struct {
	// sent by our wall clock, answered by the peer's.
	sent, answered int64
	// rtt by our monotonic clock.
	rtt time.Duration
}

// skew is the peer's clock minus ours if both ways took as long.
func (t trip) skew() time.Duration { return time.Duration(t.answered-t.sent) - t.rtt/2 }

// contradicts: no difference of the clocks explains both trips, because an
// answer is sent after its ping was and before it arrives. Then a clock was set
// in between.
func (t trip) contradicts(o trip) bool {
	apart := (t.skew() - o.skew()).Abs()
	return apart > t.rtt/2+o.rtt/2+2 // 2 ns: the halves are rounded
}

// trips are the last round trips of a link, the newest last.
type trips []trip

// add appends a trip. What it contradicts is from before a clock was set, and
// does not count any more.
func (ts trips) add(t trip) trips {
	ts = slices.DeleteFunc(ts, t.contradicts)
	if len(ts) == maxTrips {
		ts = slices.Delete(ts, 0, 1)
	}
	return append(ts, t)
}

// estimate splits the newest round trip into its two ways. The clocks'
// difference is that of the fastest trip, as in NTP's clock filter (RFC 5905,
// section 10): the fastest waited least, so that its ways are nearest to equal.
// Its half is the greatest error. The ways are never negative and their sum is
// the round trip; without trips all is 0.
func (ts trips) estimate() (skew, toPeer, fromPeer time.Duration) {
	if len(ts) == 0 {
		return 0, 0, 0
	}
	newest := ts[len(ts)-1]
	skew = ts.fastest().skew()
	toPeer = min(max(time.Duration(newest.answered-newest.sent)-skew, 0), newest.rtt)
	return skew, toPeer, newest.rtt - toPeer
}

// fastest of the trips, of which there is one: the newest of those that took as long.
func (ts trips) fastest() trip {
	fastest := ts[0]
	for _, t := range ts[1:] {
		if t.rtt <= fastest.rtt {
			fastest = t
		}
	}
	return fastest
}

// doubt is by how much the clocks' difference may be wrong.
func (ts trips) doubt() time.Duration { return ts.fastest().rtt/2 + 2 }
