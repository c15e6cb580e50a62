package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestHeld_NamesAreBounded, and those that are asked for stay.
func TestHeld_NamesAreBounded(t *testing.T) {
	n := &resolver{known: map[string]resolved{}}
	addr := netip.MustParseAddrPort("192.0.2.1:5060")
	for i := range maxNames + 100 {
		n.keep(fmt.Sprintf("gateway-%d.example:5060", i), addr)
		n.keep("gateway-0.example:5060", addr)
	}
	if got, ok := n.get("gateway-0.example:5060"); len(n.known) != maxNames || !ok || got != addr {
		t.Errorf("%d names are known; the one that is used: %v", len(n.known), ok)
	}
}

// TestResolver_ANameIsLookedUpAgain when it was long ago, and meanwhile it is
// what it was.
func TestResolver_ANameIsLookedUpAgain(t *testing.T) {
	before := netip.MustParseAddrPort("192.0.2.7:5060")
	for age, again := range map[time.Duration]bool{0: false, resolveEvery - time.Second: false, resolveEvery + time.Second: true} {
		asked := 0
		n := newResolver(func(f func(context.Context)) bool {
			asked++
			return true
		})
		n.known["gw.example.net:5060"] = resolved{before, time.Now().Add(-age)}
		for range 3 {
			if addr, ok := n.get("gw.example.net:5060"); !ok || addr != before {
				t.Errorf("after %v: %v, %v", age, addr, ok)
			}
		}
		if want := map[bool]int{true: 1}[again]; asked != want {
			t.Errorf("after %v it was looked up %d times, want %d", age, asked, want)
		}
	}
}
