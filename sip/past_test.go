package sip

import (
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestPast_ANodeWhoseProcessIsNoMoreIsLeftOut: what belongs to a call finds the phone of the
// other side where that has registered since, whoever of the two called, and a gateway from
// here. Where the node just isn't heard nobody else is asked, and the call goes on.
func TestPast_ANodeWhoseProcessIsNoMoreIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		network      string // of the other side; "" for a gateway
		calls, ended bool   // it calls; its node's process is no more
	}{
		"a phone that was called":  {"tcp", false, true},
		"a phone that called":      {"tcp", true, true},
		"by UDP":                   {"udp", false, true},
		"a node that is not heard": {"tcp", false, false},
		"a gateway that called":    {"", true, true},
		"its node is not heard":    {"", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s, a := newScript(t), n1.ua("udp", "1001")
			var b *siptest.UA
			if number := "1002"; c.network != "" {
				b = n2.ua(c.network, number)
			} else {
				b = n2.gateway("9000", "+")
				n1.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: b.Addr(), Prefix: "+"}})
				until(t, "the trunk is known", func() bool { is, _ := n1.server.proxy.Trunk(mustAddrPort(b.Addr()), location.UDP); return is != "" })
			}
			var own *siptest.Call
			if c.calls {
				_, own = s.up(b, a, "1001")
			} else {
				own, _ = s.up(a, b, "1002")
			}
			heard := make(chan string, 64)
			n2.stop()
			n1.lines.cut(true)
			n1.server.PeerHeard("n2", false)
			if c.ended {
				n1.server.PeerGone("n2")
			}
			var to *siptest.UA
			if c.network == "" {
				b.Close() // its socket hears n2 alone
				var err error
				to, err = siptest.NewUA(siptest.Config{DN: "+49301234", Domain: "gw.test", Server: n1.server.UDPAddr().String(), Local: b.Addr()})
				s.ok(err)
				t.Cleanup(to.Close)
			} else {
				s.do(own, "INFO", 500)
				gone := wire.FlowKey{Transport: location.TCP, Peer: netip.MustParseAddrPort(b.Addr())}
				b.Close()
				until(t, "its connection is gone", func() bool { return n2.server.flows.Get(gone) == nil })
				to, _ = n1.phoneOf(c.network, "1002", 1)
			}
			to.OnRequest(func(m *siptest.Message) bool {
				if m.Method != "OPTIONS" {
					heard <- m.Method
				}
				_ = to.Respond(m, 200, "OK", "")
				return true
			})
			if !c.ended {
				s.do(own, "INFO", 500)
				return
			}
			for _, method := range []string{"INFO", "BYE"} {
				s.do(own, method, 200)
				if m := patience.Receive(t, "the request", heard); m != method {
					t.Errorf("it hears %s, want %s", m, method)
				}
			}
			n1.server.PeerHeard("n2", true)
		})
	}
}
