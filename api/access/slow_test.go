package access

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
)

// TestSlow_HoldsUpWhoFailsAgainAndAgain, and nobody else; a source that is quiet for
// a minute begins anew.
func TestSlow_HoldsUpWhoFailsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leftover.Check(t)
		var s slow
		a, b := Network("192.0.2.1:1"), Network("192.0.2.2:1")
		took := func(source netip.Addr) time.Duration {
			began := time.Now()
			s.failed(t.Context(), source)
			return time.Since(began)
		}
		for i := range 15 {
			want := time.Duration(0)
			if i >= patience {
				want = slowness
			}
			if d := took(a); d != want {
				t.Errorf("failure %d took %v, want %v", i+1, d, want)
			}
		}
		if d := took(b); d != 0 {
			t.Errorf("another source was held up for %v", d)
		}
		<-time.After(forget + time.Second)
		if d := took(a); d != 0 {
			t.Errorf("after a quiet minute it took %v", d)
		}
	})
}

func TestSlow_RemembersABoundedNumberOfSources(t *testing.T) {
	var s slow
	for i := range 3 * maxSources {
		s.failed(t.Context(), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(s.of) > maxSources {
		t.Errorf("%d sources are remembered", len(s.of))
	}
	var u uses
	for i := range 3 * maxUses {
		u.again(string(rune(i)), time.Now())
	}
	if len(u.of) > maxUses {
		t.Errorf("%d uses are remembered", len(u.of))
	}
}

func TestNetwork_OfASource(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:7": "2001:db8:1:2::",
		"[fe80::1%eth0]:5": "fe80::", "[::1]:5": "::1", "192.0.2.1": "192.0.2.1",
	} {
		if got := Network(addr); got.String() != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if Network("somewhere").IsValid() {
		t.Error("what is no address has a network")
	}
}
