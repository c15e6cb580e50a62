package wire

import (
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/sip/location"
)

// TestFlows_TheEndOfAnOldConnectionLeavesTheNew: a phone that comes again from
// the same port is not cut off when the server sees the first one end.
func TestFlows_TheEndOfAnOldConnectionLeavesTheNew(t *testing.T) {
	fl := NewFlows(10)
	l := &listener{transport: location.TCP, flows: fl}
	peer := netip.MustParseAddrPort("192.0.2.1:5060")
	old, young := &Flow{l: l, peer: peer}, &Flow{l: l, peer: peer}
	for _, f := range []*Flow{old, young} {
		if _, err := fl.add(f); err != nil {
			t.Fatal(err)
		}
	}
	fl.Attach(young.key(), "1001")
	if numbers := fl.remove(old); len(numbers) > 0 || fl.Get(young.key()) != young {
		t.Errorf("the end of the old one took %v, and left %p of %p", numbers, fl.Get(young.key()), young)
	}
	if numbers := fl.remove(young); len(numbers) != 1 || fl.Len() != 0 {
		t.Errorf("the end of the new one took %v, and left %d", numbers, fl.Len())
	}
}
