package sip

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestMedia_OfADNFollowsItsPhone: what phones of its kind speak until it has said something,
// in an offer or an answer; the routing knows what a caller offers.
func TestMedia_OfADNFollowsItsPhone(t *testing.T) {
	for network, usual := range map[string]dn.Media{"udp": dn.RTP, "tcp": dn.RTP, "ws": dn.DTLS} {
		w := callWorld(t, func(c *Config) { c.WS = "127.0.0.1:0" }, "1001", "1002")
		s := newScript(t)
		a, b := w.ua(network, "1001"), w.ua(network, "1002")
		if got := w.state("1002").Media; got != usual {
			t.Errorf("over %s phones speak %q, want %q", network, got, usual)
		}
		var offered atomic.Uint32
		w.plan(func(ctx context.Context, c *proxy.Call) {
			offered.Store(uint32(c.Origin().Media))
			w.toOwner(ctx, c)
		})
		out, _ := s.up(a, b, "1002") // in clear, though they have WebSockets
		if got := dn.Media(offered.Load()); got != dn.RTP {
			t.Errorf("%s: the caller offers %q", network, got)
		}
		for _, n := range []dn.Number{"1001", "1002"} {
			if got := w.state(n).Media; got != dn.RTP {
				t.Errorf("%s: %s has said %q", network, n, got)
			}
		}
		s.do(out, "BYE", 200)
	}
}
