package proxy

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestTrunks_FollowTheConfiguration: a gateway may call while its trunk is
// there and enabled, from the address that it has now.
func TestTrunks_FollowTheConfiguration(t *testing.T) {
	w := newConfiguration(t)
	trunk := func(address string, disabled bool) {
		w.put(&configpb.DN{Number: "9100", Kind: configpb.DNKind_DN_KIND_TRUNK, Disabled: disabled, Trunk: &configpb.Trunk{Address: address}})
	}
	trunk("192.0.2.7:5060", false)
	tr := trunksOf(w.machine)
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
			tr.index()
		}
		for _, address := range []string{"192.0.2.7:5060", "192.0.2.8:5060"} {
			if n := tr.number(address, location.UDP); (n == "9100") != (address == step.address) {
				t.Errorf("%s: from %s %q", step.name, address, n)
			}
		}
	}
	if n := trunksOf(w.machine).number("192.0.2.8:5060", location.TCP); n != "" {
		t.Errorf("a trunk that is gone: %s", n)
	}
}

// trunksOf are those of a configuration, of whom nobody asks anything.
func trunksOf(m *fsm.Machine) *trunks {
	cfg := Config{Machine: m, Table: dn.New(dn.Config{Self: "n1"}), Log: slog.New(slog.DiscardHandler)}
	return newTrunks(&cfg, func(carrier.Way, func(error)) {}, nil)
}

// number is the trunk that sends from an address.
func (t *trunks) number(from string, by location.Transport) dn.Number {
	k, _ := t.from(&packet{exits: &exits{Exits: &wire.Exits{Flows: wire.NewFlows(1)}}, source: netip.MustParseAddrPort(from), transport: by})
	if k == nil {
		return ""
	}
	return k.number
}

// TestTrunks_AreKnownByWhatTheyAreConfiguredWith: sources replace the address, of several
// the longest prefix counts; at a node's own address the port does.
func TestTrunks_AreKnownByWhatTheyAreConfiguredWith(t *testing.T) {
	w := newConfiguration(t)
	for number, trunk := range map[string]*configpb.Trunk{
		"wide":   {Address: "198.51.100.1:5060", Sources: []string{"192.0.2.0/24", "2001:db8::/32"}},
		"narrow": {Address: "198.51.100.2:5060", Sources: []string{"192.0.2.16/28"}},
		"one":    {Address: "198.51.100.3:5060", Sources: []string{"192.0.2.17"}},
		"host":   {Address: "192.0.2.33:5060", MoreAddresses: []string{"192.0.2.17", "[2001:db8::33]:5060"}},
		"here":   {Address: "203.0.113.1:5080"},
		"there":  {Address: "203.0.113.9:5080"},
		"named":  {Address: "203.0.113.7:5061", TlsName: "sbc.example.org"},
		"many":   {Address: "203.0.113.20:5060", MoreAddresses: []string{"203.0.113.21", "[2001:db9::5]:5062"}},
		"user":   {Address: "203.0.113.8:5060", InboundAuth: &configpb.TrunkAuth{User: "gw", Ha1: strings.Repeat("0", 32)}},
	} {
		w.put(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: trunk})
	}
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{
		Id: "z", Name: "z", SipAddr: "203.0.113.1:5060", ClusterAddr: "203.0.113.1:7002",
	}}}}})
	tr := trunksOf(w.machine)
	for _, c := range []struct {
		from      string
		transport location.Transport
		want      dn.Number // "" when nobody's
	}{
		{"192.0.2.1:9", location.UDP, "wide"}, {"192.0.2.16:9", location.UDP, "narrow"}, {"192.0.2.17:9", location.TCP, "one"}, {"[2001:db8::7]:5060", location.UDP, "wide"},
		{"192.0.2.33:9", location.UDP, "host"}, {"192.0.2.33:9", location.TCP, "host"}, {"[2001:db8::33]:9", location.UDP, "host"}, {"192.0.2.34:5060", location.UDP, "wide"},
		{"192.0.3.1:9", location.UDP, ""}, {"198.51.100.1:5060", location.UDP, ""},
		{"203.0.113.1:5080", location.UDP, "here"}, {"203.0.113.1:5082", location.UDP, ""}, {"203.0.113.1:5082", location.TCP, "here"},
		{"203.0.113.9:5080", location.UDP, "there"}, {"203.0.113.9:5082", location.UDP, "there"},
		{"203.0.113.20:9", location.UDP, "many"}, {"203.0.113.21:9", location.TLS, "many"}, {"[2001:db9::5]:9", location.TCP, "many"}, {"203.0.113.22:5060", location.UDP, ""},
		{"203.0.113.7:5061", location.UDP, ""}, {"203.0.113.7:5061", location.TLS, ""}, {"203.0.113.8:5060", location.UDP, ""},
	} {
		if n := tr.number(c.from, c.transport); n != c.want {
			t.Errorf("from %s over %s: %q, want %q", c.from, c.transport, n, c.want)
		}
		for n := range map[dn.Number]bool{"wide": true, "narrow": true, "one": true, "here": true, "there": true, "named": true} {
			in := &packet{exits: &exits{Exits: &wire.Exits{Flows: wire.NewFlows(1)}}, source: netip.MustParseAddrPort(c.from), transport: c.transport}
			if tr.speaks(n, in) && c.want == "" {
				t.Errorf("%s speaks from %s over %s", n, c.from, c.transport)
			}
		}
		if c.want != "" && !tr.speaks(c.want, &packet{exits: &exits{Exits: &wire.Exits{Flows: wire.NewFlows(1)}}, source: netip.MustParseAddrPort(c.from), transport: c.transport}) {
			t.Errorf("%s does not speak from %s", c.want, c.from)
		}
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
		tr := trunksOf(w.machine)
		for _, c := range []struct {
			from      string
			transport location.Transport
			want      dn.Number // "" when nobody's
		}{
			{"192.0.2.7:5060", location.UDP, "9203"}, {"192.0.2.7:5060", location.TCP, "9203"}, {"192.0.2.7:5062", location.TCP, "9202"},
			{"192.0.2.7:40000", location.TCP, "9202"}, {"192.0.2.7:40000", location.UDP, "9202"}, {"192.0.2.8:40000", location.TCP, "9201"},
			{"192.0.2.9:5060", location.TCP, ""},
		} {
			if n := tr.number(c.from, c.transport); n != c.want {
				t.Fatalf("from %s over %s: %q, want %q", c.from, c.transport, n, c.want)
			}
		}
	}
}
