package sip

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/digest"
)

// TestFast_AnyLifeOfADNIsTheSameBothWays registers at random, mostly sensibly,
// and holds that both ways answer and remember the same after every step; and
// that a DN is InSrv exactly while it has a binding.
func TestFast_AnyLifeOfADNIsTheSameBothWays(t *testing.T) {
	x := newTwins(t)
	life := 0
	rapid.Check(t, func(rt *rapid.T) {
		life++
		number := rapid.SampledFrom([]string{"1001", "1002", "2001"}).Draw(rt, "dn")
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			r := reg{dn: number, callID: fmt.Sprint(life, rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "call")), cseq: rapid.IntRange(1, 8).Draw(rt, "cseq")}
			for range rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(rt, "contacts") {
				c := "Contact: <sip:" + rapid.SampledFrom([]string{"p@h", "p@H;x", "q@h:5;transport=udp", "%70@h"}).Draw(rt, "uri") + ">"
				if e := rapid.SampledFrom([]int{-1, -1, 0, 59, 600, 9000}).Draw(rt, "expires"); e >= 0 {
					c += fmt.Sprintf(";q=0.1;expires=%d", e)
				}
				r.headers = append(r.headers, c)
			}
			if len(r.headers) == 0 && rapid.Bool().Draw(rt, "all") {
				r.headers = []string{"Contact: *", "Expires: 0"}
			}
			alg := digest.MD5
			if number == "2001" {
				alg = digest.SHA256
			}
			r.auth = authorize(string(x.fast.server.cfg.digest.AppendChallenge(nil, testRealm, alg, false, localSource.Addr())), number, "pw"+number, 1)
			x.follow(t, []byte(r.String()))
			st, e := x.fast.state(dn.Number(number)), x.fast.store.Get(dn.Number(number))
			if (st.State == dn.InSrv) != (e != nil && len(e.Bindings) > 0) {
				t.Fatalf("%+v with %+v after %v", st, e, r)
			}
		}
	})
}

// follow compares one message; what is not boring goes the plain way on both
// twins, so that they stay equal.
func (x *twins) follow(t *testing.T, data []byte) {
	if want, boring := x.compare(t, data); !boring {
		got, _, _ := (&twins{plain: x.fast}).plainWay(t, data)
		if !slices.Equal(got.canonical(), want.canonical()) {
			t.Fatalf("twins differ: %v, %v after %q", got, want, data)
		}
	}
}
