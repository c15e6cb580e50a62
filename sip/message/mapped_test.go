package message

import (
	"net/netip"
	"testing"
)

func TestMapped_WhoComesFromElsewhereAndWantsHisAnswersThere(t *testing.T) {
	source := netip.MustParseAddrPort("192.0.2.7:40000")
	for via, want := range map[string]bool{
		"SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bKa":                     true,
		"SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKa;rport=40000;received=192.0.2.7": true,
		"SIP/2.0/UDP 10.0.0.7:40000;rport;branch=z9hG4bKa":                     true,
		"SIP/2.0/UDP phone.example;rport;branch=z9hG4bKa":                      true,
		"SIP/2.0/UDP 192.0.2.7:40000;rport;branch=z9hG4bKa":                    false,
		"SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKa":                           false,
	} {
		h, ok := ParseVia([]byte(via))
		if got := h.Mapped(source); !ok || got != want {
			t.Errorf("%s: %v", via, got)
		}
	}
}
