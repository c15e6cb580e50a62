package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/sip/digest"
)

// TestServed_HoweverItIsWritten: the realm, the configured names and what can only be
// this node, in capitals or not, with the root's dot or not; nobody else's domain.
func TestServed_HoweverItIsWritten(t *testing.T) {
	g := New(Config{Hosts: []string{"PBX.example.com", "sip.example.com"}, Now: time.Now})
	for host, want := range map[string]bool{
		"pbx.example.com": true, "PBX.Example.COM": true, "Sip.example.com": true, "example.com": false, "pbx.example.com.": true, "pbx.example.com..": false, ".": false,
		"office": true, "OFFICE": true, "office.": true, "offices": false, "": false,
		"localhost": true, "LocalHost": true, "192.0.2.1": true, "[2001:db8::1]": true,
	} {
		if got := g.Served([]byte(host), "Office"); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// TestChoose_WhatAnswersOurChallenge counts, wherever it stands; of several the DN's own.
func TestChoose_WhatAnswersOurChallenge(t *testing.T) {
	source := netip.MustParseAddrPort("192.0.2.7:5060")
	server := digest.New(digest.Config{Slots: 64, Now: time.Now})
	g := New(Config{Digest: server, Now: time.Now})
	var asked digest.Challenge
	if !asked.Parse(server.AppendChallenge(nil, "office", digest.MD5, false, source.Addr())) {
		t.Fatal("the challenge is not one")
	}
	line := func(user, realm, nonce string) []byte {
		return fmt.Appendf(nil, `Digest username=%q, realm=%q, nonce=%q, uri="sip:office", response="0"`, user, realm, nonce)
	}
	nonce := string(asked.Nonce)
	mine, old, others := line("1001", "office", nonce), line("1001", "office", "old"), line("1002", "office", nonce)
	far := line("1001", "elsewhere", nonce)
	for what, c := range map[string]struct {
		headers     [][]byte
		user, nonce string
	}{
		"alone":             {[][]byte{mine}, "1001", nonce},
		"an old one alone":  {[][]byte{old}, "1001", "old"},
		"after an old one":  {[][]byte{far, old, mine}, "1001", nonce},
		"before an old one": {[][]byte{mine, old, far}, "1001", nonce},
		"after another's":   {[][]byte{others, mine}, "1001", nonce},
		"another's anew":    {[][]byte{old, others}, "1002", nonce},
		"too many":          {[][]byte{old, old, old, old, mine}, "1001", "old"},
		"of no realm here":  {[][]byte{far, []byte("Basic x")}, "", ""},
	} {
		claim := Claim{Number: []byte("1001"), Source: source}
		if found := g.Choose(&claim, "office", slices.Values(c.headers)); found == claim.None || found != (c.user != "") ||
			string(claim.Credentials.Username) != c.user || string(claim.Credentials.Nonce) != c.nonce {
			t.Errorf("%s: %v, none %v, %s with %s", what, found, claim.None, claim.Credentials.Username, claim.Credentials.Nonce)
		}
	}
}
