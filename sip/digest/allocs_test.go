//go:build !race

package digest

import (
	"net/netip"
	"strings"
	"testing"
)

// The race detector has pools forget what they hold.
func TestServer_AllocatesNothing(t *testing.T) {
	s := New(Config{})
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { buf = s.AppendChallenge(buf[:0], "r", SHA256, true, netip.Addr{}) }); n != 0 {
		t.Errorf("a challenge allocates %v times", n)
	}
	value := []byte(`Digest username="u", realm="r", nonce="` + strings.Repeat("n", nonceLen) + `", uri="sip:r", qop=auth, nc=00000001, cnonce="c", response="` + ha1 + `"`)
	if n := testing.AllocsPerRun(100, func() {
		var c Credentials
		c.Parse(value)
		s.Check(&c, &Request{Method: []byte("REGISTER"), Print: 1}, ha1, MD5)
	}); n != 0 {
		t.Errorf("a check allocates %v times", n)
	}
}
