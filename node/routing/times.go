package routing

import (
	"time"

	"github.com/sipcluster/sipcluster/internal/histogram"
)

// times are how long calls take.
type times struct{ toDN, atPoint, ringing *histogram.Histogram }

func newTimes() times {
	const ms, s = time.Millisecond, time.Second
	return times{
		toDN:    &histogram.Histogram{},
		atPoint: histogram.New(ms, 5*ms, 10*ms, 25*ms, 50*ms, 100*ms, 250*ms, 500*ms, s, 2500*ms, 5*s, 10*s, 20*s, 30*s, 60*s, 120*s, 180*s, 300*s, 600*s),
		ringing: histogram.New(500*ms, s, 2*s, 3*s, 5*s, 7500*ms, 10*s, 15*s, 20*s, 30*s, 45*s, 60*s, 120*s, 180*s),
	}
}

// Times are how long calls that arrived at this node took.
type Times struct {
	// ToDN is from when the INVITE to a DN was there until it was sent to phones, or to the
	// node that has them; AtPoint the same of a routing point, with what the call waited
	// for there. Each call counts once, however often it is sent.
	ToDN, AtPoint histogram.Reading
	// Ringing is from the first 180 of the DN that answers until it does.
	Ringing histogram.Reading
}

// Times reads them.
func (r *Engine) Times() Times {
	return Times{r.times.toDN.Read(), r.times.atPoint.Read(), r.times.ringing.Read()}
}

// delivered notes that the call is sent on, outside or to a DN: that counts once.
func (j *journey) delivered(outside bool) {
	if outside || j.began.IsZero() {
		return
	}
	h := j.r.times.toDN
	if j.rp != "" {
		h = j.r.times.atPoint
	}
	h.Observe(time.Since(j.began))
	j.began = time.Time{}
}
