package proxy

import (
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestTrunks_FollowTheConfiguration: a gateway may call while its trunk is
// there and enabled, from the address that it has now.
func TestTrunks_FollowTheConfiguration(t *testing.T) {
	w := newConfiguration(t)
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
