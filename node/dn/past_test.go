package dn

import (
	"fmt"
	"slices"
	"testing"
)

// What clients were told of a DN is remembered, newest last, however much is told of
// others meanwhile, up to the bound.
func TestPast(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	words := func(n Number, most int) (w []string) {
		for _, p := range tab.Past(n, most) {
			w = append(w, fmt.Sprint(p.State, " ", p.Reason, " ", p.Owner))
		}
		return w
	}
	if got := words("1", 50); got != nil {
		t.Errorf("of nobody: %q", got)
	}
	tab.Register("1", Registered)
	tab.Register("1", Registered) // a refresh is no change
	for i := range 2 * chunkSize {
		tab.Register(Number(fmt.Sprint(1000+i)), Registered)
	}
	tab.End("1", tab.Register("1", Registered).ClaimTime, Expired)
	want := []string{fmt.Sprint(InSrv, " ", Registered, " a"), fmt.Sprint(OOS, " ", Expired, " ")}
	if got := words("1", 50); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := words("1", 1); !slices.Equal(got, want[1:]) {
		t.Errorf("the last: %q", got)
	}
	for i := range maxPast {
		tab.Register(Number(fmt.Sprint(100_000+i)), Registered)
	}
	if got := words("1", 50); got != nil {
		t.Errorf("behind the bound: %q", got)
	}
	if got := len(tab.Past("100000", 50)); got != 1 || len(tab.pasts.ring) != maxPast {
		t.Errorf("the oldest of the ring: %d, of %d", got, len(tab.pasts.ring))
	}
}
