package proxy

import (
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
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

// TestTrunks_OfSeveralWithOneAddressTheFirstCounts, whatever the order in which
// they are known; over a connection the port says nothing.
func TestTrunks_OfSeveralWithOneAddressTheFirstCounts(t *testing.T) {
	w := newConfiguration(t)
	for number, address := range map[string]string{"9203": "192.0.2.7:5060", "9202": "192.0.2.7:5062", "9204": "192.0.2.7:5060", "9205": "192.0.2.7:5062", "9201": "192.0.2.8:5060"} {
		w.put(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: address}})
	}
	for range 20 { // maps have no order
		tr := newTrunks(w.machine)
		for _, c := range []struct {
			from      string
			connected bool
			want      dn.Number // "" when nobody's
		}{
			{"192.0.2.7:5060", false, "9203"}, {"192.0.2.7:5060", true, "9203"}, {"192.0.2.7:5062", true, "9202"}, {"192.0.2.7:40000", true, "9202"},
			{"192.0.2.7:40000", false, ""}, {"192.0.2.8:40000", true, "9201"}, {"192.0.2.9:5060", true, ""},
		} {
			if n, ok := tr.from(netip.MustParseAddrPort(c.from), c.connected); ok != (c.want != "") || ok && n != c.want {
				t.Fatalf("from %s, connected %v: %q, %v, want %q", c.from, c.connected, n, ok, c.want)
			}
		}
	}
}
