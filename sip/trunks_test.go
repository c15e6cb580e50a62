package sip

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestTrunks_FollowTheConfiguration: a gateway may call while its trunk is
// there and enabled, from the address that it has now.
func TestTrunks_FollowTheConfiguration(t *testing.T) {
	w := newWorld(t, nil)
	trunk := func(address string, disabled bool) {
		w.put(&configpb.DN{Number: "9100", Kind: configpb.DNKind_DN_KIND_TRUNK, Disabled: disabled, Trunk: &configpb.Trunk{Address: address}})
	}
	trunk("192.0.2.7:5060", false)
	tr := newTrunks(w.machine)
	for _, step := range []struct {
		name    string
		change  func()
		news    fsm.Changes
		address string // "" when nobody may call
	}{
		{"at the start", func() {}, fsm.Changes{}, "192.0.2.7:5060"},
		{"another address", func() { trunk("192.0.2.8:5060", false) }, fsm.Changes{DNs: []string{"9100"}}, "192.0.2.8:5060"},
		{"disabled", func() { trunk("192.0.2.8:5060", true) }, fsm.Changes{DNs: []string{"9100"}}, ""},
		{"enabled", func() { trunk("192.0.2.8:5060", false) }, fsm.Changes{DNs: []string{"9100"}}, "192.0.2.8:5060"},
		{"gone with all", func() { w.apply(&peerpb.Command{Version: 1, NewEpoch: "e2"}) }, fsm.Changes{All: true}, ""},
		{"back with all", func() { trunk("192.0.2.7:5060", false) }, fsm.Changes{All: true}, "192.0.2.7:5060"},
		{"deleted", func() {
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: "9100"}}}})
		}, fsm.Changes{DNs: []string{"9100"}}, ""},
	} {
		step.change()
		if tr.changed(step.news) {
			tr.resolve(t.Context())
		}
		for _, address := range []string{"192.0.2.7:5060", "192.0.2.8:5060"} {
			if n, ok := tr.from(netip.MustParseAddrPort(address), false); ok != (address == step.address) || ok && n != "9100" {
				t.Errorf("%s: from %s %q, %v", step.name, address, n, ok)
			}
		}
	}
	if n, ok := newTrunks(w.machine).from(netip.MustParseAddrPort("192.0.2.8:5060"), true); ok {
		t.Errorf("a trunk that is gone: %s", n)
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
