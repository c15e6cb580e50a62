package sip

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// carrier is a gateway with a socket of its own whose trunk is configured by change. It
// calls as the user gw, with a password.
func (w *world) carrier(password string, change func(*configpb.Trunk)) *siptest.UA {
	w.t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: "gw", Password: password, Domain: "gw.test", Server: w.server.UDPAddr().String()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(u.Close)
	d := &configpb.Trunk{Address: u.Addr(), Prefix: "+"}
	change(d)
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: d})
	const after = "203.0.113.99:5060"
	w.put(&configpb.DN{Number: "9009", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: after}})
	until(w.t, "the trunks are known", func() bool {
		n, _ := w.server.proxy.Trunk(mustAddrPort(after), location.UDP)
		return n == "9009"
	})
	return u
}

func gwAuth(password string) *configpb.TrunkAuth {
	return &configpb.TrunkAuth{User: "gw", Ha1: md5Hex("gw:" + testRealm + ":" + password)}
}

func TestTrunk_MakesCallsOnly(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		w := callWorld(t, nil, "1001", "1002")
		s := newScript(t)
		gw := w.carrier("", func(t *configpb.Trunk) { t.Trusted = trusted })
		b := w.ua("udp", "1002")
		b.OnRequest(func(m *siptest.Message) bool { return b.Respond(m, 202, "Accepted", "t1") == nil })
		for method, refused := range map[string]bool{"MESSAGE": !trusted, "NOTIFY": !trusted, "REFER": true, "SUBSCRIBE": true, "INFO": true} {
			res, err := gw.Do(s.ctx, siptest.Request{Method: method, URI: uriTo("1002"), To: "<" + uriTo("1002") + ">"})
			if s.ok(err); res.Code != map[bool]int{true: 405, false: 202}[refused] {
				t.Errorf("trusted %v: %s %d", trusted, method, res.Code)
			}
		}
		res, err := gw.Do(s.ctx, siptest.Request{Method: "REGISTER", URI: "sip:" + testRealm, To: "<" + uriTo("1001") + ">"})
		if s.ok(err); res.Code != 403 {
			t.Errorf("REGISTER %d", res.Code)
		}
		res, err = gw.Do(s.ctx, siptest.Request{Method: "OPTIONS", URI: "sip:" + testRealm, To: "<sip:" + testRealm + ">"})
		if s.ok(err); res.Code != 200 {
			t.Errorf("OPTIONS %d", res.Code)
		}
	}
}

// TestTrunk_HasToProveWhoItIs at its address, and with nothing but its user from
// anywhere.
func TestTrunk_HasToProveWhoItIs(t *testing.T) {
	for _, c := range []struct {
		name, password string
		change         func(*configpb.Trunk)
		want           int
	}{
		{"from anywhere", "secret", func(t *configpb.Trunk) { t.Address, t.InboundAuth = "192.0.2.1:5060", gwAuth("secret") }, 200},
		{"from anywhere, wrong", "guess", func(t *configpb.Trunk) { t.Address, t.InboundAuth = "192.0.2.1:5060", gwAuth("secret") }, 407},
		{"from its sources", "secret", func(t *configpb.Trunk) { t.Sources, t.InboundAuth = []string{"127.0.0.1"}, gwAuth("secret") }, 200},
		{"from its sources, wrong", "guess", func(t *configpb.Trunk) { t.Sources, t.InboundAuth = []string{"127.0.0.1"}, gwAuth("secret") }, 407},
		{"from other sources", "secret", func(t *configpb.Trunk) { t.Sources, t.InboundAuth = []string{"192.0.2.0/24"}, gwAuth("secret") }, 403},
		{"from its sources, not asked", "", func(t *configpb.Trunk) { t.Address, t.Sources = "192.0.2.1:5060", []string{"127.0.0.0/8"} }, 200},
		{"from other sources, not asked", "", func(t *configpb.Trunk) { t.Sources = []string{"192.0.2.0/24"} }, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001", "1002")
			s := newScript(t)
			gw := w.carrier(c.password, c.change)
			b := w.ua("udp", "1002")
			if c.want != 200 {
				s.await(s.place(gw, "1002"), c.want)
				return
			}
			out, in := s.up(gw, b, "1002")
			for _, h := range in.Invite.Headers("Proxy-Authorization") {
				t.Error("the phone is given", h)
			}
			s.do(in, "INFO", 200)
			s.expect(out, "INFO")
			s.do(out, "BYE", 200)
			s.expect(in, "BYE")
		})
	}
}

// TestTrunk_PhonesAtItsAddressStayPhones: with sources of any port, who says to be a
// DN of the cluster has to prove that, and may register.
func TestTrunk_PhonesAtItsAddressStayPhones(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	s := newScript(t)
	w.carrier("", func(t *configpb.Trunk) { t.Sources = []string{"127.0.0.1"} })
	out, _ := s.up(w.ua("udp", "1001"), w.ua("tcp", "1002"), "1002")
	s.do(out, "BYE", 200)
	liar, err := siptest.NewUA(siptest.Config{DN: "1001", Password: "wrong", Domain: testRealm, Server: w.server.UDPAddr().String()})
	s.ok(err)
	defer liar.Close()
	s.await(s.place(liar, "1002"), 407)
	if n, surely := w.server.proxy.Trunk(mustAddrPort("127.0.0.1:9"), location.UDP); n != "9000" || surely {
		t.Error(n, surely)
	}
}
