package sip

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// byName is an address with a name in place of the loopback's.
func byName(t *testing.T, address string) string {
	t.Helper()
	list, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip", "localhost")
	if err != nil || list[0].Unmap().String() != "127.0.0.1" {
		t.Skipf("localhost is %v here: %v", list, err)
	}
	return strings.Replace(address, "127.0.0.1:", "localhost:", 1)
}

// TestNames_GatewaysMayHaveThem: they are looked up beside; one without an address is
// refused.
func TestNames_GatewaysMayHaveThem(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	gw, a := w.gateway("9000", "+"), w.ua("udp", "1001")
	name := byName(t, gw.Addr())
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: name, Prefix: "+"}})
	known := func() bool { return len(w.server.TrunkStates("9000")) == 1 && !w.server.TrunkStates("9000")[0].Down }
	until(t, "the name is looked up", known)
	for range 2 {
		out, in := s.up(a, gw, "9000")
		if want := "sip:9000@" + name; in.Invite.URI != want {
			t.Errorf("%s, want %s", in.Invite.URI, want)
		}
		s.do(in, "INFO", 200)
		s.do(out, "BYE", 200)
		patience.Receive(t, "the outcome of the call", w.outcomes)
	}
	until(t, "calls from the address of the name are the gateway's", func() bool {
		n, _ := w.server.proxy.Trunk(mustAddrPort(gw.Addr()), location.UDP)
		return n == "9000"
	})
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "nowhere.invalid:5060", Prefix: "+"}})
	s.await(s.place(a, "9000"), 503)
	if o := patience.Receive(t, "the outcome of the call", w.outcomes); !o.Retry || o.Code != 503 {
		t.Errorf("%+v", o)
	}
	if held := w.server.Held(); held["sip_calls"] != 0 {
		t.Errorf("%d calls are being set up", held["sip_calls"])
	}
}

// TestNames_ACallStaysWhereItIs while the name of its trunk leads elsewhere: another server
// there knows nothing of the call. A new one goes to the new address.
func TestNames_ACallStaysWhereItIs(t *testing.T) {
	var moved atomic.Bool
	names := nameServer(t, func(_ string, head dns.RR_Header) []dns.RR {
		if head.Rrtype != dns.TypeA {
			return nil
		}
		head.Ttl = 1
		if moved.Load() {
			return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 9)}}
		}
		return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
	})
	w, s := callWorld(t, func(c *Config) { c.NameServers = []string{names} }, "1001"), newScript(t)
	gw, a := w.gateway("9000", "+"), w.ua("udp", "1001")
	at := mustAddrPort(gw.Addr())
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: fmt.Sprint("gw.test:", at.Port()), Prefix: "+"}})
	leads := func(host string) func() bool {
		return func() bool {
			list := w.server.TrunkStates("9000")
			return len(list) == 1 && list[0].Way.Addr == netip.AddrPortFrom(netip.MustParseAddr(host), at.Port())
		}
	}
	until(t, "the name is looked up", leads("127.0.0.1"))
	out, in := s.up(a, gw, "9000")
	moved.Store(true)
	until(t, "the name leads elsewhere", leads("127.0.0.9"))
	s.do(out, "INFO", 200)
	s.expect(in, "INFO")
	s.do(in, "INFO", 200)
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
}

// TestNames_NoneLeadsBack to this node, by whatever address of its machine, or to what is no
// host's: such an address is neither asked nor called.
func TestNames_NoneLeadsBack(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0": "the address is that of no one host", "127.0.0.1": "is an address of this cluster's own nodes"} {
		names := nameServer(t, func(_ string, head dns.RR_Header) []dns.RR {
			if head.Rrtype != dns.TypeA {
				return nil
			}
			return []dns.RR{&dns.A{Hdr: head, A: net.ParseIP(address)}}
		})
		w := callWorld(t, func(c *Config) {
			c.UDP, c.TCP, c.Advertise, c.NameServers = "0.0.0.0:0", "0.0.0.0:0", "192.0.2.1", []string{names}
		}, "1001")
		w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "back.test:" + w.portOf(location.UDP)}})
		until(t, "it is found out", func() bool {
			list := w.server.TrunkStates("9000")
			return len(list) == 1 && list[0].Down && list[0].Err != nil && strings.Contains(list[0].Err.Error(), want)
		})
	}
}

// TestCall_APanicCostsThatCall wherever the call plane panics.
func TestCall_APanicCostsThatCall(t *testing.T) {
	for name, plan := range map[string]func(*proxy.Call){
		"when it arrives": func(*proxy.Call) { panic("at the call plane") },
		"when it is sent": func(c *proxy.Call) {
			c.Send(invite.Target{Deliver: "1002"}, nil, func(invite.Outcome) { panic("at the call plane") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Calls = planned(plan) })
			w.put(phoneDN("1001"))
			w.put(phoneDN("1002"))
			w.run()
			s := newScript(t)
			a := w.ua("udp", "1001")
			s.await(s.place(a, "1002"), 500) // 1002 is not registered
			if st := w.server.Stats(); st.Panics != 1 {
				t.Errorf("%d panics", st.Panics)
			}
			if n := w.server.Held()["sip_calls"]; n != 0 {
				t.Errorf("%d calls are being set up", n)
			}
		})
	}
}

// planned is a Caller that does something at once.
type planned func(*proxy.Call)

func (f planned) Arrive(c invite.Call) { f(c.(*proxy.Call)) }
