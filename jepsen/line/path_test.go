package line

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	ms = time.Millisecond
	kb = 1000
)

// sent is what became of packets that came at regular times.
type sent struct {
	at              []time.Duration // departures of those that arrive
	arrived         []time.Duration
	lost, overflown int
	runs            int // of losses
}

func send(t *testing.T, p Path, count, size int, every time.Duration) sent {
	t.Helper()
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	w, r := &way{Path: p}, rand.New(rand.NewPCG(1, 2))
	var s sent
	before := passes
	for i := range count {
		now := time.Duration(i) * every
		at, f := w.pass(now, size, r)
		switch f {
		case lost:
			if s.lost++; before != lost {
				s.runs++
			}
		case overflows:
			s.overflown++
		default:
			s.at, s.arrived = append(s.at, now), append(s.arrived, at)
		}
		before = f
	}
	return s
}

func TestPath_DelaysEachPacketWithinItsJitterAndInOrder(t *testing.T) {
	for _, c := range []struct {
		name        string
		path        Path
		every       time.Duration
		least, most time.Duration
		mean        time.Duration
		inOrder     bool
	}{
		{"cable", Path{}, ms, 0, 0, 0, true},
		{"delay", Path{Delay: 125 * ms}, ms, 125 * ms, 125 * ms, 125 * ms, true},
		{"jitter", Path{Delay: 125 * ms, Jitter: 15 * ms}, 100 * ms, 110 * ms, 140 * ms, 125 * ms, true},
		{"jitter of packets close together", Path{Delay: 125 * ms, Jitter: 15 * ms}, ms, 110 * ms, 140 * ms, 0, true},
		{"overtaking", Path{Delay: 125 * ms, Jitter: 15 * ms, Reorder: true}, ms, 110 * ms, 140 * ms, 125 * ms, false},
	} {
		s := send(t, c.path, 20_000, 100, c.every)
		sum, inOrder := time.Duration(0), true
		for i, at := range s.arrived {
			d := at - s.at[i]
			if sum += d; d < c.least || d > c.most {
				t.Fatalf("%s: %v for a packet, want %v to %v", c.name, d, c.least, c.most)
			}
			inOrder = inOrder && (i == 0 || at >= s.arrived[i-1])
		}
		mean := sum / time.Duration(len(s.arrived))
		if len(s.arrived) != 20_000 || inOrder != c.inOrder || c.mean > 0 && (mean-c.mean).Abs() > ms {
			t.Errorf("%s: %d arrived, in order: %v, after %v on average, want all, %v, %v", c.name, len(s.arrived), inOrder, mean, c.inOrder, c.mean)
		}
	}
}

func TestPath_LosesTheGivenShareInRunsOfTheGivenLength(t *testing.T) {
	const count = 400_000
	for _, c := range []struct{ loss, burst, run float64 }{
		{0, 0, 0}, {2, 0, 1.02}, {2, 1, 1.02}, {20, 0, 1.25}, {2, 5, 5}, {10, 20, 20}, {100, 0, count},
	} {
		s := send(t, Path{Loss: c.loss, Burst: c.burst}, count, 100, ms)
		share, run := 100*float64(s.lost)/count, float64(s.lost)/float64(max(s.runs, 1))
		if math.Abs(share-c.loss) > c.loss/10 || math.Abs(run-c.run) > c.run/10 {
			t.Errorf("%v %% in bursts of %v: lost %.2f %%, %.2f in a row", c.loss, c.burst, share, run)
		}
	}
}

func TestPath_LetsThroughItsRateAndKeepsNoMoreThanItsQueue(t *testing.T) {
	const size = 1000
	for _, c := range []struct {
		name  string
		path  Path
		every time.Duration
		share float64 // of the packets that arrive
		waits time.Duration
	}{
		{"half full", Path{Rate: 8 * 2 * size * kb, Delay: 10 * ms}, ms, 1, size * 8 * time.Second / (8 * 2 * size * kb)},
		{"twice too much", Path{Rate: 8 * size * kb / 2, Delay: 10 * ms}, ms, 0.5, 252 * ms},
		{"a short queue", Path{Rate: 8 * size * kb / 2, Delay: 10 * ms, Queue: 20 * ms}, ms, 0.5, 22 * ms},
		{"256 kbit/s", Path{Rate: 256 * kb}, 10 * ms, 0.32, 281250 * time.Microsecond},
	} {
		s := send(t, c.path, 10_000, size, c.every)
		worst := time.Duration(0)
		for i, at := range s.arrived {
			worst = max(worst, at-s.at[i]-c.path.Delay)
		}
		if got := float64(len(s.arrived)) / 10_000; math.Abs(got-c.share) > 0.015 || worst > c.waits || worst < c.waits*9/10 {
			t.Errorf("%s: %.3f arrived, the last waited %v; want %v and %v", c.name, got, worst, c.share, c.waits)
		}
		if len(s.arrived)+s.overflown != 10_000 {
			t.Errorf("%s: %d + %d of 10,000", c.name, len(s.arrived), s.overflown)
		}
	}
}

func TestPath_RefusesWhatNoLineCanBe(t *testing.T) {
	for _, p := range []Path{
		{Delay: -1}, {Jitter: 1}, {Loss: -1}, {Loss: 101}, {Rate: -1}, {Queue: -1}, {Loss: 100, Burst: 2},
	} {
		if p.check() == nil {
			t.Errorf("%+v was taken", p)
		}
	}
}
