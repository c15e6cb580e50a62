package proxy

import (
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/sip/location"
)

func TestReach_ContactUnlessThereIsANAT(t *testing.T) {
	for _, c := range []struct{ contact, source, want string }{
		{"sip:1001@192.0.2.7:5070", "192.0.2.7:40000", "192.0.2.7:5070"},
		{"sip:1001@192.0.2.7", "192.0.2.7:40000", "192.0.2.7:5060"},
		{"sip:1001@10.0.0.7:5070", "192.0.2.7:40000", "192.0.2.7:40000"},
		{"sip:1001@phone.example:5070", "192.0.2.7:40000", "192.0.2.7:40000"},
		{"sip:1001@192.0.2.7:99999", "192.0.2.7:40000", "192.0.2.7:40000"},
		{"sip:1001@[2001:db8::7]:5070", "[2001:db8::7]:40000", "[2001:db8::7]:5070"},
		{"tel:1", "192.0.2.7:40000", "192.0.2.7:40000"},
	} {
		b := &location.Binding{Contact: c.contact, Source: netip.MustParseAddrPort(c.source)}
		if got := Reach(b); got != netip.MustParseAddrPort(c.want) {
			t.Errorf("%s from %s: %v, want %s", c.contact, c.source, got, c.want)
		}
		b.Mapped = true
		if got := Reach(b); got != b.Source {
			t.Errorf("%s behind a NAT that changes ports: %v", c.contact, got)
		}
		b.Mapped, b.Transport = false, location.TCP
		if got := Reach(b); got != b.Source {
			t.Errorf("%s over TCP: %v", c.contact, got)
		}
	}
}

// TestReach_BehindAnEdgeProxyTheRequestGoesToThat, also when the phone is on the
// same machine.
func TestReach_BehindAnEdgeProxyTheRequestGoesToThat(t *testing.T) {
	b := &location.Binding{Contact: "sip:1001@127.0.0.1:6000", Transport: location.UDP, Source: phoneAt}
	if a := Reach(b); a.Port() != 6000 {
		t.Errorf("without an edge proxy: %v", a)
	}
	b.Path = []string{"<sip:edge.test;lr>"}
	if a := Reach(b); a != phoneAt {
		t.Errorf("behind an edge proxy: %v", a)
	}
}
