package sip

import (
	"net"
	"strings"
	"testing"

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
