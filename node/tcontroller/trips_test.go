package tcontroller

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

const ms = time.Millisecond

// path makes a trip of its two ways, with the peer's clock ahead by skew.
func path(at, to, from, skew time.Duration) trip {
	return trip{sent: int64(at), answered: int64(at + to + skew), rtt: to + from}
}

func TestTrips_Estimate(t *testing.T) {
	for name, tc := range map[string]struct {
		trips          []trip
		skew, to, from time.Duration
	}{
		"nothing is known before the first answer": {},
		"a single trip is split in the middle":     {[]trip{path(0, 4*ms, 2*ms, 0)}, ms, 3 * ms, 3 * ms},
		"the peer's clock is ahead":                {[]trip{path(0, ms, ms, time.Hour)}, time.Hour, ms, ms},
		"or behind":                                {[]trip{path(0, ms, ms, -time.Hour)}, -time.Hour, ms, ms},
		"the way there slows down":                 {[]trip{path(0, ms, ms, time.Second), path(100*ms, 30*ms, ms, time.Second)}, time.Second, 30 * ms, ms},
		"the way back does":                        {[]trip{path(0, ms, ms, time.Second), path(100*ms, ms, 30*ms, time.Second)}, time.Second, ms, 30 * ms},
		"a fast trip after slow ones corrects":     {[]trip{path(0, 30*ms, ms, 0), path(100*ms, ms, ms, 0)}, 0, ms, ms},
		"the fastest was uneven: no way below 0":   {[]trip{path(0, 4*ms, 0, 0), path(100*ms, 0, 5*ms, 0)}, 2 * ms, 0, 5 * ms},
		"nor beyond the round trip":                {[]trip{path(0, 0, 4*ms, 0), path(100*ms, 5*ms, 0, 0)}, -2 * ms, 5 * ms, 0},
		"a clock that was set starts over":         {[]trip{path(0, ms, ms, 0), path(100*ms, 10*ms, 2*ms, time.Minute)}, time.Minute + 4*ms, 6 * ms, 6 * ms},
		"set back, too":                            {[]trip{path(0, ms, ms, 0), path(100*ms, 10*ms, 2*ms, -time.Minute), path(200*ms, ms, 2*ms, -time.Minute)}, -time.Minute - ms/2, 3 * ms / 2, 3 * ms / 2},
	} {
		t.Run(name, func(t *testing.T) {
			var ts trips
			for _, trip := range tc.trips {
				ts = ts.add(trip)
			}
			if skew, to, from := ts.estimate(); skew != tc.skew || to != tc.to || from != tc.from {
				t.Errorf("skew %v, to %v, from %v; want %v, %v, %v", skew, to, from, tc.skew, tc.to, tc.from)
			}
		})
	}
}

// What a registration's claim says of its way: nothing in a sync, nothing before the clocks'
// difference is known, and nothing of one that is ahead of its clock by more than that is
// doubted.
func TestPropagated(t *testing.T) {
	var took []time.Duration
	cfg := &Config{Propagated: func(peer dn.Node, d time.Duration) {
		if peer != "b" {
			t.Errorf("of %q", peer)
		}
		took = append(took, d)
	}}
	ahead := time.Hour
	claim := func(ago time.Duration) int64 { return time.Now().Add(ahead - ago).UnixNano() }
	l := &followerLink{f: &follower{id: "b", cfg: cfg}, trips: trips{path(0, 10*time.Minute, 10*time.Minute, ahead)}}
	l.propagated([]int64{claim(time.Minute)})
	l.whole, l.trips = true, nil
	l.propagated([]int64{claim(time.Minute)})
	if len(took) > 0 {
		t.Errorf("in a sync, or without trips: %v", took)
	}
	l.trips = trips{path(0, 10*time.Minute, 10*time.Minute, ahead)}
	l.propagated([]int64{claim(time.Hour), claim(-5 * time.Minute), claim(-time.Hour)})
	if len(took) != 2 || took[0] < time.Hour || took[0] > 2*time.Hour || took[1] != 0 {
		t.Errorf("took %v, want an hour and 0", took)
	}
}

func TestTrips_TheFastestIsForgottenAfterEnoughOthers(t *testing.T) {
	var ts trips
	ts = ts.add(path(0, ms, ms, 0))
	for i := range maxTrips {
		if skew, _, _ := ts.estimate(); skew != 0 {
			t.Fatalf("after %d slower ones the difference is %v", i, skew)
		}
		ts = ts.add(path(time.Duration(i)*100*ms, 9*ms, ms, 0))
	}
	if skew, _, _ := ts.estimate(); len(ts) != maxTrips || skew != 4*ms {
		t.Errorf("%d trips, difference %v", len(ts), skew)
	}
}

// Whatever the ways take, and whenever a clock is set: no way is negative, both
// make the round trip, and the error is at most half the fastest trip.
func TestTrips_ErrorIsAtMostHalfTheFastestTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	way := func() time.Duration { return time.Duration(r.Int64N(int64(50*ms))) + 1 }
	for range 200 {
		var ts trips
		skew := time.Duration(r.Int64N(int64(time.Hour))) - time.Hour/2
		for i := range 200 {
			if r.IntN(50) == 0 {
				skew, ts = skew+2*time.Minute, ts.add(path(time.Duration(i)*100*ms, way(), way(), skew+2*time.Minute))
			}
			to, from := way(), way()
			ts = ts.add(path(time.Duration(i)*100*ms, to, from, skew))
			fastest := to + from
			for _, trip := range ts {
				fastest = min(fastest, trip.rtt)
			}
			gotSkew, gotTo, gotFrom := ts.estimate()
			if gotTo < 0 || gotFrom < 0 || gotTo+gotFrom != to+from {
				t.Fatalf("%v and %v make %v", gotTo, gotFrom, to+from)
			}
			bound := fastest/2 + 2
			if (gotTo-to).Abs() > bound || (gotFrom-from).Abs() > bound || (gotSkew-skew).Abs() > bound {
				t.Fatalf("skew %v for %v, to %v for %v, from %v for %v: off by more than %v", gotSkew, skew, gotTo, to, gotFrom, from, bound)
			}
		}
	}
}
