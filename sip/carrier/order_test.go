package carrier

import (
	"net/netip"
	"slices"
	"testing"
)

func way(addr string) Way { return Way{Addr: netip.MustParseAddrPort(addr)} }

// TestOrder_ByRankThenByWeight: every draw of RFC 2782's has its share, those that are
// down are left out, and a host's addresses stay together.
func TestOrder_ByRankThenByWeight(t *testing.T) {
	a, b, c, d, e := way("192.0.2.1:5060"), way("192.0.2.2:5060"), way("192.0.2.3:5060"), way("192.0.2.4:5060"), way("[2001:db8::1]:5060")
	places := []Place{
		{Rank: 20, Ways: []Way{d}}, {Rank: 10, Weight: 3, Ways: []Way{a, e}}, {Rank: 10, Weight: 1, Ways: []Way{b}}, {Rank: 10, Ways: []Way{c}},
	}
	firsts := map[Way]int{}
	for n := range 5 { // of 0 to 4
		first := true
		draw := func(most int) int {
			if first {
				first = false
				if most != 4 {
					t.Errorf("the first draw is of 0 to %d", most)
				}
				return n
			}
			return most
		}
		got := Order(places, func(Way) bool { return false }, draw)
		firsts[got[0]]++
		if len(got) != 5 || got[4] != d || slices.Index(got, e) != slices.Index(got, a)+1 {
			t.Errorf("draw %d: %v", n, got)
		}
	}
	if firsts[a] != 3 || firsts[b] != 1 || firsts[c] != 1 {
		t.Errorf("%v", firsts)
	}
	least := func(int) int { return 0 }
	got := Order(places, func(w Way) bool { return w == c || w == a }, least)
	if want := []Way{e, b, d}; !slices.Equal(got, want) && !slices.Equal(got, []Way{b, e, d}) {
		t.Errorf("without two that are down: %v", got)
	}
	if got := Order(places, func(Way) bool { return true }, least); len(got) != 0 {
		t.Errorf("all are down: %v", got)
	}
}

// TestOrder_WithoutWeightsEachIsTheFirstOnce: none of a rank is preferred by its place in
// the answer.
func TestOrder_WithoutWeightsEachIsTheFirstOnce(t *testing.T) {
	a, b, c := way("192.0.2.1:5060"), way("192.0.2.2:5060"), way("192.0.2.3:5060")
	places := []Place{{Rank: 1, Ways: []Way{a}}, {Rank: 1, Ways: []Way{b}}, {Rank: 1, Ways: []Way{c}}}
	firsts := map[Way]int{}
	for n := range len(places) {
		got := Order(places, func(Way) bool { return false }, func(most int) int { return min(n, most) })
		firsts[got[0]]++
		if len(got) != len(places) {
			t.Errorf("draw %d: %v", n, got)
		}
	}
	if len(firsts) != len(places) {
		t.Errorf("first are %v", firsts)
	}
}
