package sip

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/digest"
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

func TestTrunk_CallsAndTells(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		w := callWorld(t, nil, "1001", "1002")
		s := newScript(t)
		gw := w.carrier("", func(t *configpb.Trunk) { t.Trusted = trusted })
		b := w.ua("udp", "1002")
		b.OnRequest(func(m *siptest.Message) bool { return b.Respond(m, 202, "Accepted", "t1") == nil })
		for method, refused := range map[string]bool{"MESSAGE": false, "NOTIFY": false, "REFER": true, "SUBSCRIBE": true, "INFO": true} {
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

// A gateway that was asked once who it is goes on saying so, also when nobody asks it any
// more: it is let in as it would be without.
func TestTrunk_MaySayWhoItIsUnasked(t *testing.T) {
	w := callWorld(t, nil, "1002")
	s := newScript(t)
	gw := w.carrier("secret", func(t *configpb.Trunk) { t.InboundAuth = gwAuth("secret") })
	b := w.ua("udp", "1002")
	call := func() {
		t.Helper()
		out, _ := s.up(gw, b, "1002")
		s.do(out, "BYE", 200)
	}
	call()
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: gw.Addr(), Prefix: "+"}})
	at := mustAddrPort(gw.Addr())
	until(t, "nobody asks it", func() bool { _, surely := w.server.proxy.Trunk(at, location.UDP); return surely })
	call()
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.1:5060", Sources: []string{"127.0.0.1"}}})
	until(t, "it is known by its machine", func() bool { n, surely := w.server.proxy.Trunk(at, location.UDP); return n == "9000" && !surely })
	call()
}

// TestTrunk_IsAnsweredWhenItAsks: the caller hears nothing of it, and each side has
// numbers that rise.
func TestTrunk_IsAnsweredWhenItAsks(t *testing.T) {
	for _, c := range []struct {
		name, header, answer string
		code                 int
		algorithm            configpb.DigestAlgorithm
		asks                 int
	}{
		{"by 407", "Proxy-Authenticate", "Proxy-Authorization", 407, configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, 1},
		{"by 401", "WWW-Authenticate", "Authorization", 401, configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, 1},
		{"twice", "Proxy-Authenticate", "Proxy-Authorization", 407, configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			s := newScript(t)
			hash, algorithm := md5Hex, "MD5"
			if c.algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
				hash, algorithm = sha256Hex, "SHA-256"
			}
			gw := w.carrier("", func(t *configpb.Trunk) {
				t.OutboundRealm = "carrier.test"
				t.OutboundAuth = &configpb.TrunkAuth{User: "us", Algorithm: c.algorithm, Ha1: hash("us:carrier.test:secret")}
			})
			a := w.ua("udp", "1001")
			out := s.place(a, "9000", "Supported: 100rel")
			first := s.take(gw)
			in := first
			for n := range c.asks {
				nonce := fmt.Sprint("nonce", n)
				s.ok(in.Refuse(c.code, "Who?", c.header+`: Digest realm="elsewhere", nonce="x"`,
					c.header+`: Digest realm="carrier.test", nonce="`+nonce+`", algorithm=`+algorithm+`, qop="auth,auth-int", opaque="o"`))
				in = s.take(gw)
				if got, want := in.Invite.Header("CSeq"), fmt.Sprintf("%d INVITE", cseqOf(t, first.Invite)+n+1); got != want {
					t.Fatalf("CSeq %s, want %s", got, want)
				}
				checkAnswer(t, in.Invite, c.answer, nonce, hash)
			}
			s.ok(in.Ring("Require: 100rel", "RSeq: 7"))
			s.await(out, 180)
			s.do(out, "PRACK", 200, "RAck: 7 "+first.Invite.Header("CSeq"))
			if m := s.expect(in, "PRACK"); m.Header("RAck") != "7 "+in.Invite.Header("CSeq") {
				t.Errorf("RAck %s of INVITE %s", m.Header("RAck"), in.Invite.Header("CSeq"))
			}
			s.ok(in.Answer())
			if res := s.await(out, 200); res.Header("CSeq") != first.Invite.Header("CSeq") {
				t.Errorf("the caller's INVITE %s is answered as %s", first.Invite.Header("CSeq"), res.Header("CSeq"))
			}
			s.ok(out.Ack())
			if m := s.expect(in, "ACK"); cseqOf(t, m) != cseqOf(t, in.Invite) {
				t.Errorf("ACK %s of INVITE %s", m.Header("CSeq"), in.Invite.Header("CSeq"))
			}
			last := cseqOf(t, in.Invite)
			for _, method := range []string{"INVITE", "INFO", "BYE"} {
				s.do(out, method, 200)
				m := s.expect(in, method)
				if cseqOf(t, m) <= last {
					t.Errorf("%s %s after %d", method, m.Header("CSeq"), last)
				}
				if last = cseqOf(t, m); method == "INVITE" {
					s.ok(out.Ack())
					s.expect(in, "ACK")
					s.do(in, "INFO", 200)
				}
			}
		})
	}
}

// TestTrunk_AProxyAndItsServerAsk: what goes out again answers both, each by its own nonce
// with a count that rises (RFC 3261 §22.3).
func TestTrunk_AProxyAndItsServerAsk(t *testing.T) {
	w := callWorld(t, nil, "1001")
	s := newScript(t)
	gw := w.carrier("", func(t *configpb.Trunk) {
		t.OutboundRealm, t.OutboundAuth = "carrier.test", &configpb.TrunkAuth{User: "us", Ha1: md5Hex("us:carrier.test:secret")}
	})
	asks := func(in *siptest.Call, code int, header, nonce string) *siptest.Call {
		t.Helper()
		s.ok(in.Refuse(code, "Who?", header+`: Digest realm="carrier.test", nonce="`+nonce+`", algorithm=MD5, qop="auth"`))
		return s.take(gw)
	}
	out := s.place(w.ua("udp", "1001"), "9000")
	in := asks(s.take(gw), 407, "Proxy-Authenticate", "p")
	in = asks(in, 401, "WWW-Authenticate", "s")
	checkAnswer(t, in.Invite, "Proxy-Authorization", "p", md5Hex)
	checkAnswer(t, in.Invite, "Authorization", "s", md5Hex)
	if got := in.Invite.Header("Proxy-Authorization"); !strings.Contains(got, "nc=00000002") {
		t.Errorf("the proxy's nonce is used again as %s", got)
	}
	in = asks(in, 407, "Proxy-Authenticate", "p2") // the proxy takes each nonce once
	checkAnswer(t, in.Invite, "Proxy-Authorization", "p2", md5Hex)
	checkAnswer(t, in.Invite, "Authorization", "s", md5Hex)
	s.ok(in.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
}

func cseqOf(t *testing.T, m *siptest.Message) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(m.Header("CSeq"), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// checkAnswer checks the credentials of a request to the gateway.
func checkAnswer(t *testing.T, m *siptest.Message, header, nonce string, hash func(string) string) {
	t.Helper()
	values := m.Headers(header)
	if len(values) != 1 {
		t.Fatalf("%d %s headers", len(values), header)
	}
	var c digest.Credentials
	if !c.Parse([]byte(values[0])) || string(c.Username) != "us" || string(c.Realm) != "carrier.test" || string(c.Nonce) != nonce || string(c.URI) != m.URI {
		t.Fatal(values[0])
	}
	want := hash(strings.Join([]string{hash("us:carrier.test:secret"), nonce, string(c.NC), string(c.CNonce), "auth", hash(m.Method + ":" + m.URI)}, ":"))
	if string(c.Response) != want {
		t.Errorf("the answer %s is wrong", values[0])
	}
}

// TestTrunk_TheCarrierChoosesTheDigest: of those that are stored, the first that it offers
// (RFC 8760 §2.4); nobody has to say which before.
func TestTrunk_TheCarrierChoosesTheDigest(t *testing.T) {
	both := &configpb.TrunkAuth{User: "us", Ha1: md5Hex("us:carrier.test:secret"), Sha256Ha1: sha256Hex("us:carrier.test:secret")}
	one := &configpb.TrunkAuth{User: "us", Ha1: both.Ha1}
	for _, c := range []struct {
		name   string
		auth   *configpb.TrunkAuth
		offers []string
		want   func(string) string // nil: it can't be answered
	}{
		{"SHA-256 alone", both, []string{"SHA-256"}, sha256Hex},
		{"MD5 alone", both, []string{"MD5"}, md5Hex},
		{"SHA-256 first", both, []string{"SHA-256", "MD5"}, sha256Hex},
		{"MD5 first", both, []string{"MD5", "SHA-256"}, md5Hex},
		{"one that is not known first", both, []string{"SHA-512-256", "SHA-256", "MD5"}, sha256Hex},
		{"both, MD5 is stored", one, []string{"SHA-256", "MD5"}, md5Hex},
		{"SHA-256 alone, MD5 is stored", one, []string{"SHA-256"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			s := newScript(t)
			gw := w.carrier("", func(t *configpb.Trunk) { t.OutboundRealm, t.OutboundAuth = "carrier.test", c.auth })
			out := s.place(w.ua("udp", "1001"), "9000")
			var asks []string
			for _, algorithm := range c.offers {
				asks = append(asks, `Proxy-Authenticate: Digest realm="carrier.test", nonce="n", algorithm=`+algorithm+`, qop="auth"`)
			}
			s.ok(s.take(gw).Refuse(407, "Who?", asks...))
			if c.want == nil {
				if res := s.await(out, 500); res.Reason != "The carrier wants a digest by SHA-256, which is not stored: set the password anew" {
					t.Error(res.Reason)
				}
				return
			}
			in := s.takeOf(out, gw)
			checkAnswer(t, in.Invite, "Proxy-Authorization", "n", c.want)
			s.ok(in.Refuse(486, "Busy Here"))
			s.await(out, 486)
		})
	}
}

// TestTrunk_IsAnsweredWithTheBodyOfTheCall: a carrier that takes auth-int alone, by a
// session's algorithm, is answered over the session description that it gets.
func TestTrunk_IsAnsweredWithTheBodyOfTheCall(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	gw := w.carrier("", func(t *configpb.Trunk) {
		t.OutboundRealm, t.OutboundAuth = "carrier.test", &configpb.TrunkAuth{User: "us", Ha1: md5Hex("us:carrier.test:secret")}
	})
	out := s.place(w.ua("udp", "1001"), "9000")
	s.ok(s.take(gw).Refuse(407, "Who?", `Proxy-Authenticate: Digest realm="carrier.test", nonce="n", algorithm=MD5-sess, qop="auth-int"`))
	in := s.take(gw)
	m := in.Invite
	var c digest.Credentials
	if v := m.Headers("Proxy-Authorization"); len(v) != 1 || !c.Parse([]byte(v[0])) || string(c.QOP) != "auth-int" || m.Body == "" {
		t.Fatalf("%q, a body of %d", v, len(m.Body))
	}
	ha1 := md5Hex(md5Hex("us:carrier.test:secret") + ":n:" + string(c.CNonce))
	want := md5Hex(ha1 + ":n:00000001:" + string(c.CNonce) + ":auth-int:" + md5Hex("INVITE:"+m.URI+":"+md5Hex(m.Body)))
	if string(c.Response) != want {
		t.Errorf("%s, want %s", c.Response, want)
	}
	s.ok(in.Refuse(486, "Busy Here"))
	s.await(out, 486)
}

// TestTrunk_IsAnsweredWithinACallToo: a carrier that asks for each request of a call hears
// from the cluster, and the phone knows nothing of it.
func TestTrunk_IsAnsweredWithinACallToo(t *testing.T) {
	for _, comes := range []bool{false, true} {
		t.Run(fmt.Sprint("the carrier calls: ", comes), func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			s := newScript(t)
			gw := w.carrier("", func(t *configpb.Trunk) {
				t.OutboundRealm = "carrier.test"
				t.OutboundAuth = &configpb.TrunkAuth{User: "us", Ha1: md5Hex("us:carrier.test:secret")}
			})
			a := w.ua("udp", "1001")
			from, to, number := a, gw, "9000"
			if comes {
				from, to, number = gw, a, "1001"
			}
			out := s.place(from, number)
			in := s.take(to)
			s.ok(in.Answer())
			s.await(out, 200)
			s.ok(out.Ack())
			s.expect(in, "ACK")
			phone, carrier := out, in
			if comes {
				phone, carrier = in, out
			}
			last := 0
			for i, method := range []string{"INVITE", "INFO", "UPDATE", "REFER", "BYE"} {
				nonce := fmt.Sprint("nonce", i)
				carrier.Challenge(`Proxy-Authenticate: Digest realm="carrier.test", nonce="` + nonce + `", algorithm=MD5, qop="auth"`)
				s.do(phone, method, 200, "Refer-To: <sip:1001@"+testRealm+">")
				asked, again := s.expect(carrier, method), s.expect(carrier, method)
				if a, b := cseqOf(t, asked), cseqOf(t, again); a <= last || b <= a {
					t.Errorf("%s %d, then %d after %d", method, a, b, last)
				}
				checkAnswer(t, again, "Proxy-Authorization", nonce, md5Hex)
				if last = cseqOf(t, again); method == "INVITE" {
					s.ok(phone.Ack())
					if m := s.expect(carrier, "ACK"); cseqOf(t, m) != last {
						t.Errorf("ACK %s of INVITE %d", m.Header("CSeq"), last)
					}
				}
			}
		})
	}
}

// TestTrunk_ACallThatIsUpEndsWhereItWent, whatever became of the trunk meanwhile, and by
// either side.
func TestTrunk_ACallThatIsUpEndsWhereItWent(t *testing.T) {
	for name, change := range map[string]func(*configpb.DN){
		"disabled": func(d *configpb.DN) { d.Disabled = true },
		"moved":    func(d *configpb.DN) { d.Trunk.Address = "192.0.2.1:5060" },
	} {
		for _, carrier := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", the carrier hangs up: ", carrier), func(t *testing.T) {
				w := callWorld(t, nil, "1001")
				s := newScript(t)
				gw := w.carrier("", func(*configpb.Trunk) {})
				out, in := s.up(w.ua("udp", "1001"), gw, "9000")
				d := &configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: gw.Addr(), Prefix: "+"}}
				change(d)
				w.put(d)
				until(t, "the trunk is not there any more", func() bool {
					n, _ := w.server.proxy.Trunk(mustAddrPort(gw.Addr()), location.UDP)
					return n == ""
				})
				if carrier {
					out, in = in, out
				}
				s.do(out, "BYE", 200)
				s.expect(in, "BYE")
			})
		}
	}
}

// TestTrunk_IsNotAnsweredForever: who asks again and again, or for somebody else, gets
// no more answers, and the caller none of that; who gave up hears of nothing new.
func TestTrunk_IsNotAnsweredForever(t *testing.T) {
	w := callWorld(t, nil, "1001")
	s := newScript(t)
	gw := w.carrier("", func(t *configpb.Trunk) {
		t.OutboundRealm = "carrier.test"
		t.OutboundAuth = &configpb.TrunkAuth{User: "us", Ha1: md5Hex("us:carrier.test:secret")}
	})
	a := w.ua("udp", "1001")
	ask := func(in *siptest.Call, realm string) {
		s.ok(in.Refuse(401, "Who?", `WWW-Authenticate: Digest realm="`+realm+`", nonce="n"`))
	}
	out := s.place(a, "9000")
	for range 3 {
		ask(s.take(gw), "carrier.test")
	}
	s.await(out, 500)
	out = s.place(a, "9000")
	ask(s.take(gw), "another.test")
	s.await(out, 500)
	out = s.place(a, "9000")
	in := s.take(gw)
	s.ok(in.Ring())
	s.await(out, 180)
	out.Cancel()
	s.expect(in, "CANCEL")
	ask(in, "carrier.test")
	s.await(out, 487)
}

// TestTrunk_AsksAndProvesItselfByItsOwnDomain: OPTIONS, and calls with a digest, whose host is
// the carrier's. Who is known by a user alone has to call this cluster: what somebody else
// made it answer would let him in.
func TestTrunk_AsksAndProvesItselfByItsOwnDomain(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*configpb.Trunk)
		code   int
	}{
		{"by address", func(*configpb.Trunk) {}, 200},
		{"by sources and digest", func(t *configpb.Trunk) { t.Sources, t.InboundAuth = []string{"127.0.0.1"}, gwAuth("secret") }, 200},
		{"by digest alone", func(t *configpb.Trunk) { t.Address, t.InboundAuth = "192.0.2.1:5060", gwAuth("secret") }, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, s := callWorld(t, nil, "1002"), newScript(t)
			gw := w.carrier("secret", c.change)
			b := w.ua("udp", "1002")
			out, err := gw.Place(s.ctx, "sip:1002@carrier.example")
			s.ok(err)
			res, err := gw.Do(s.ctx, siptest.Request{Method: "OPTIONS", URI: "sip:carrier.example", To: "<sip:carrier.example>"})
			if s.ok(err); res.Code != c.code {
				t.Errorf("OPTIONS %d", res.Code)
			}
			if c.code != 200 {
				s.await(out, c.code)
				return
			}
			in := s.take(b)
			s.ok(in.Answer())
			s.await(out, 200)
			s.ok(out.Ack())
			s.do(out, "BYE", 200)
			s.expect(in, "BYE")
		})
	}
	w, s := callWorld(t, nil, "1002"), newScript(t)
	res, err := w.ua("udp", "1002").Do(s.ctx, siptest.Request{Method: "OPTIONS", URI: "sip:carrier.example", To: "<sip:carrier.example>"})
	if s.ok(err); res.Code != 404 {
		t.Errorf("a phone's OPTIONS %d", res.Code)
	}
}
