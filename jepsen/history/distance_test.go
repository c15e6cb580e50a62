package history

import (
	"testing"
	"time"
)

func TestFar_FollowsTheRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	if got, want := Far(0), (Bounds{}).WithDefaults(); got != want {
		t.Errorf("near: %+v, want %+v", got, want)
	}
	for _, c := range []struct{ trip, cut, pair, converge time.Duration }{
		{20 * ms, 1060 * ms, 1580 * ms, 2080 * ms},
		{250 * ms, 1750 * ms, 2500 * ms, 3000 * ms},
		{400 * ms, 2200 * ms, 3100 * ms, 3600 * ms},
		{time.Second, 2950 * ms, 3200 * ms, 6000 * ms},
	} {
		if b := Far(c.trip); b.LossCut != c.cut || b.LossPair != c.pair || b.Converge != c.converge {
			t.Errorf("%v: %v, %v, %v; want %v, %v, %v", c.trip, b.LossCut, b.LossPair, b.Converge, c.cut, c.pair, c.converge)
		}
	}
}
