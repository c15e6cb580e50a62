package digest

import (
	"net/netip"
	"testing"
)

// BenchmarkCheck is what a registration costs here: a nonce is signed for the
// challenge, and signed again to check the answer.
func BenchmarkCheck(b *testing.B) {
	s := New(Config{})
	b.ReportAllocs()
	var dst [256]byte
	here := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		dst := s.appendNonce(dst[:0], here)
		if _, ok := s.parseNonce(dst, here); !ok {
			b.Fatal("the nonce is not the server's")
		}
	}
}
