package guard

import (
	"testing"
	"time"
)

// TestServed_HoweverItIsWritten: the realm, the configured names and what can only be
// this node, in capitals or not; nobody else's domain.
func TestServed_HoweverItIsWritten(t *testing.T) {
	g := New(Config{Hosts: []string{"PBX.example.com", "sip.example.com"}, Now: time.Now})
	for host, want := range map[string]bool{
		"pbx.example.com": true, "PBX.Example.COM": true, "Sip.example.com": true, "example.com": false, "pbx.example.com.": false,
		"office": true, "OFFICE": true, "offices": false, "": false,
		"localhost": true, "LocalHost": true, "192.0.2.1": true, "[2001:db8::1]": true,
	} {
		if got := g.Served([]byte(host), "Office"); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
