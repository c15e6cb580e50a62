package sip

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// oneFamily is a node that has one address, with a phone at that host, and a trunk.
func oneFamily(t *testing.T, host string, options uint32, trunk func(w *sixWorld) *configpb.Trunk) *sixWorld {
	t.Helper()
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here: ", err)
	} else {
		c.Close()
	}
	w := &sixWorld{world: callWorld(t, func(c *Config) {
		c.UDP, c.TCP = net.JoinHostPort(host, "0"), net.JoinHostPort(host, "0")
	}, "1001")}
	w.port = sixPort(w.server.UDPAddr().String())
	w.phone = w.at("1001", host)
	ctx, cancel := siptest.Within(patience.Limit)
	defer cancel()
	if res, err := w.phone.Register(ctx, time.Hour); err != nil || res.Code != 200 {
		t.Fatal(res, err)
	}
	w.options(&configpb.Options{Realm: testRealm, TrunkOptionsS: proto.Uint32(options)})
	k := trunk(w)
	k.Prefix = "+"
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: k})
	return w
}

// otherHost is the loopback address of the other family.
func otherHost(host string) string {
	if host == "::1" {
		return "127.0.0.1"
	}
	return "::1"
}

// TestOneFamily_TriesNoAddressOfTheOtherOne: a node that has one family says of a trunk's
// address of the other one that it has no way there, and sends nothing: not to another
// process of its own machine either, as to 0.0.0.0 or from 127.0.0.6. A call goes to the
// next address.
func TestOneFamily_TriesNoAddressOfTheOtherOne(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		for _, options := range []uint32{0, 1} {
			t.Run(host+map[uint32]string{0: "", 1: ", asked by OPTIONS"}[options], func(t *testing.T) {
				var came atomic.Int32
				var gw, stranger *siptest.UA
				w := oneFamily(t, host, options, func(w *sixWorld) *configpb.Trunk {
					stranger, gw = w.at("stranger", otherHost(host)), w.at("gw", host)
					stranger.OnRequest(func(*siptest.Message) bool { came.Add(1); return true })
					return &configpb.Trunk{Address: stranger.Addr(), MoreAddresses: []string{gw.Addr()}}
				})
				until(t, "the address is known to be out of reach", func() bool {
					states := w.server.TrunkStates("9000")
					return len(states) == 2 && states[0].Down && states[0].Unable && strings.Contains(states[0].Err.Error(), "this node has no way to the IPv")
				})
				s := newScript(t)
				out, in := s.up(w.phone, gw, "9000")
				s.do(in, "BYE", 200)
				s.expect(out, "BYE")
				if st, known := w.table.Get("9000"); !known || st.State != dn.InSrv {
					t.Errorf("the trunk is %+v", st)
				}
				if n := came.Load(); n > 0 {
					t.Errorf("%d requests came to the address of the other family", n)
				}
			})
		}
	}
}

// TestOneFamily_ATrunkOutOfReachIsOutOfServiceHere, and a call to it fails at once with a
// reason that says so.
func TestOneFamily_ATrunkOutOfReachIsOutOfServiceHere(t *testing.T) {
	w := oneFamily(t, "127.0.0.1", 1, func(w *sixWorld) *configpb.Trunk {
		// What goes to 0.0.0.0 comes back here, and is answered.
		return &configpb.Trunk{Address: net.JoinHostPort("::1", w.port)}
	})
	until(t, "the trunk is out of service", func() bool { st, _ := w.table.Get("9000"); return st.State == dn.OOS && st.Reason == dn.Unresponsive })
	if states := w.server.TrunkStates("9000"); len(states) != 1 || !states[0].Down || !states[0].Unable {
		t.Errorf("%+v", states)
	}
	if why, all := w.server.OutOfReach("9000"); len(why) != 1 || !all {
		t.Errorf("out of reach for %q, all: %v", why, all)
	}
	s := newScript(t)
	s.await(s.place(w.phone, "9000"), 503)
	if o := patience.Receive(t, "the outcome", w.outcomes); !o.Retry || o.Reason != "This node has no way to the trunk" {
		t.Errorf("%+v", o)
	}
}
