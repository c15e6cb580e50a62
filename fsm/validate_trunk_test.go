package fsm

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// TestCheckAddresses_WhereATrunkMayBe: a host alone is for those who know what records say,
// at level 2; at level 1 an entry means what it did.
func TestCheckAddresses_WhereATrunkMayBe(t *testing.T) {
	for _, c := range []struct {
		address string
		before  bool
		now     bool
	}{
		{"192.0.2.1:5060", true, true}, {"gw.example:5060", true, true}, {"[2001:db8::1]:5060", true, true},
		{"gw.example", false, true}, {"gw", false, true}, {"gw.example.", false, true}, {"192.0.2.1", false, true}, {"2001:db8::1", false, true}, {"[2001:db8::1]", false, true},
		{"", false, false}, {"gw example", false, false}, {":5060", false, false}, {"gw:0", false, false}, {"gw:65536", false, false}, {"fe80::1%eth0", false, false}, {".", false, false},
		{"300.1.2.3", false, false}, {"gw;x=1", false, false},
		{"0.0.0.0:5060", true, false}, {"[::]:5060", true, false}, {"::", false, false}, {"0.1.2.3", false, false}, {"224.0.0.1:5060", true, false}, {"239.1.2.3", false, false},
		{"[ff02::1]:5060", true, false}, {"255.255.255.255:5060", true, false}, {"[::ffff:0.0.0.0]:5060", true, false}, {"[fe80::1]:5060", true, false},
		{"a..b", false, false}, {"a..b:5060", true, false}, {".a", false, false}, {"-x.example", false, false}, {"x-.example:5060", true, false}, {"a.-b", false, false}, {"a.b-", false, false},
		{strings.Repeat("a", 64) + ".example", false, false}, {strings.Repeat("a", 63) + ".example", false, true}, {"_sip._udp.example", false, true}, {"3com.example", false, true}, {"x--y.example", false, true},
		{"300.1.2.3:5060", true, false}, {"gw;x=1:5060", true, false},
	} {
		for level, want := range map[uint32]bool{1: c.before, 2: c.now} {
			if r := checkAddresses("4000", &configpb.Trunk{Address: c.address}, level); (r == nil) != want {
				t.Errorf("%q at level %d: %v", c.address, level, r)
			}
		}
	}
	for _, more := range [][]string{{"192.0.2.1:5060"}, {"192.0.2.2", "192.0.2.2"}, {""}, {"gw x"}} {
		if checkAddresses("4000", &configpb.Trunk{Address: "192.0.2.1:5060", MoreAddresses: more}, 2) == nil {
			t.Errorf("%q besides are taken", more)
		}
	}
}

// TestCheckCallerID_NamesOfAllPeople: any text on one line.
func TestCheckCallerID_NamesOfAllPeople(t *testing.T) {
	for name, good := range map[string]bool{
		"Jürgen Müller": true, "日本語": true, `Anna "Ann" O\'Hara`: true, "a\\b": true, strings.Repeat("ü", 32): true,
		strings.Repeat("ü", 33): false, "a\nb": false, "a\x00": false, "a\x7f": false, "\xff": false, "a\u0085b": false, "a\u2028b": false,
	} {
		if r := checkCallerID("4000", &configpb.CallerID{Number: "+4930", Name: name}); (r == nil) != good {
			t.Errorf("%q: %v", name, r)
		}
	}
}
