package sip

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// TestTrunk_IsToldWhoCalls: as the trunk and the DN are configured, in each request; the
// phone sees its own name in what comes back.
func TestTrunk_IsToldWhoCalls(t *testing.T) {
	const nobody = `"Anonymous" <sip:anonymous@anonymous.invalid>`
	main := &configpb.CallerID{Number: "+4930100", Name: "ACME"}
	for _, c := range []struct {
		name   string
		trunk  func(*configpb.Trunk)
		own    *configpb.CallerID
		line   string
		from   string // "": the phone's own
		header string
	}{
		{"nothing is said of it", func(*configpb.Trunk) {}, nil, "Subject: x", "", ""},
		{"the trunk's", func(t *configpb.Trunk) { t.CallerId = main }, nil, "Subject: x", `"ACME" <sip:+4930100@` + testRealm + ">", ""},
		{"the DN's", func(t *configpb.Trunk) { t.CallerId = main }, &configpb.CallerID{Number: "+4930101"}, "Subject: x", "<sip:+4930101@" + testRealm + ">", ""},
		{"of any name", func(t *configpb.Trunk) {
			t.CallerId = &configpb.CallerID{Number: "+4930100", Name: `Jürgen "J" M\üller`}
		}, nil, "Subject: x",
			`"Jürgen \"J\" M\\üller" <sip:+4930100@` + testRealm + ">", ""},
		{"one that is trusted", func(t *configpb.Trunk) { t.CallerId, t.Trusted, t.UserPhone = main, true, true }, nil, "Subject: x",
			`"ACME" <sip:+4930100@` + testRealm + ";user=phone>", "P-Asserted-Identity: <sip:+4930100@" + testRealm + ";user=phone>"},
		{"a carrier's customer", func(t *configpb.Trunk) { t.CallerId, t.PreferredIdentity = main, true }, nil, "Subject: x",
			`"ACME" <sip:+4930100@` + testRealm + ">", "P-Preferred-Identity: <sip:+4930100@" + testRealm + ">"},
		{"withheld", func(*configpb.Trunk) {}, &configpb.CallerID{Number: "+4930101", Withheld: true}, "Subject: x", nobody, ""},
		{"withheld from one that is trusted", func(t *configpb.Trunk) { t.Trusted = true }, &configpb.CallerID{Number: "+4930101", Withheld: true}, "Subject: x",
			nobody, "P-Asserted-Identity: <sip:+4930101@" + testRealm + ">\nPrivacy: id"},
		{"withheld from a carrier whose customer this is", func(t *configpb.Trunk) { t.PreferredIdentity = true }, &configpb.CallerID{Number: "+4930101", Withheld: true}, "Subject: x",
			nobody, ""},
		{"the phone wants it", func(t *configpb.Trunk) { t.CallerId = main }, nil, "Privacy: id", nobody, "Privacy: id"},
		{"who says to be somebody else", func(t *configpb.Trunk) { t.Trusted, t.CallerId = true, main }, nil, "P-Asserted-Identity: <sip:+1@x>",
			`"ACME" <sip:+4930100@` + testRealm + ">", "P-Asserted-Identity: <sip:+4930100@" + testRealm + ">"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			s := newScript(t)
			gw := w.carrier("", c.trunk)
			d := w.machine.View().DN("1001")
			w.put(&configpb.DN{Number: "1001", Kind: d.GetKind(), Algorithm: d.GetAlgorithm(), Ha1: d.GetHa1(), CallerId: c.own})
			a := w.ua("udp", "1001")
			out := s.place(a, "9000", c.line)
			in := s.take(gw)
			own := "<" + uriTo("1001") + ">"
			want := cmp.Or(c.from, own)
			shown := in.Invite.Header("From")
			if got, _, _ := strings.Cut(shown, ";tag="); got != want {
				t.Errorf("From %s, want %s", got, want)
			}
			var got []string
			for _, name := range []string{"P-Asserted-Identity", "P-Preferred-Identity", "Privacy"} {
				for _, v := range in.Invite.Headers(name) {
					got = append(got, name+": "+v)
				}
			}
			if strings.Join(got, "\n") != c.header {
				t.Errorf("%q, want %q", got, c.header)
			}
			s.ok(in.Ring())
			if res := s.await(out, 180); !strings.HasPrefix(res.Header("From"), own+";tag=") {
				t.Errorf("the phone is answered as %s", res.Header("From"))
			}
			s.ok(in.Answer())
			if res := s.await(out, 200); !strings.HasPrefix(res.Header("From"), own+";tag=") {
				t.Errorf("the phone is answered as %s", res.Header("From"))
			}
			s.ok(out.Ack())
			if m := s.expect(in, "ACK"); m.Header("From") != shown {
				t.Errorf("ACK from %s", m.Header("From"))
			}
			s.do(in, "INFO", 200)
			if m := s.expect(out, "INFO"); c.from != "" && strings.Contains(m.Header("To"), "anonymous") {
				t.Errorf("the phone is %s", m.Header("To"))
			}
			s.do(out, "BYE", 200)
			if m := s.expect(in, "BYE"); m.Header("From") != shown {
				t.Errorf("BYE from %s, INVITE from %s", m.Header("From"), shown)
			}
		})
	}
}

// TestTrunk_ItsChallengeReachesNoPhone, for an account that it does not take, or which is
// not there.
func TestTrunk_ItsChallengeReachesNoPhone(t *testing.T) {
	for _, account := range []bool{false, true} {
		t.Run(fmt.Sprint("with an account: ", account), func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			s := newScript(t)
			gw := w.carrier("", func(t *configpb.Trunk) {
				if account {
					t.OutboundRealm, t.OutboundAuth = "carrier.test", &configpb.TrunkAuth{User: "us", Ha1: md5Hex("us:carrier.test:old")}
				}
			})
			a := w.ua("udp", "1001")
			asks := func(n int) string {
				return fmt.Sprintf(`Proxy-Authenticate: Digest realm="carrier.test", nonce="n%d"`, n)
			}
			out := s.place(a, "9000")
			in := s.take(gw)
			for n := 0; account && n < 2; n++ {
				s.ok(in.Refuse(407, "Who?", asks(n)))
				in = s.take(gw)
			}
			s.ok(in.Refuse(407, "Who?", asks(2)))
			if res := s.await(out, 500); res.Header("Proxy-Authenticate") != "" {
				t.Error("the phone is asked", res.Header("Proxy-Authenticate"))
			}
		})
	}
}

// TestCall_TelURIs: as called, and as who calls.
func TestCall_TelURIs(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	s := newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
	for uri, code := range map[string]int{
		"tel:1002": 486, "tel:10-02;phone-context=" + testRealm: 486, "TEL:1002;phone-context=+4930": 486, "tel:1002;phone-context=example.com": 404,
		"sip:10-02;phone-context=" + testRealm + "@" + testRealm + ";user=phone": 486,
	} {
		out, err := a.Place(s.ctx, uri)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		if code == 486 {
			in, err := b.Take(s.ctx)
			if err != nil {
				t.Fatalf("%s: %v", uri, err)
			}
			s.ok(in.Refuse(486, "Busy"))
		}
		s.await(out, code)
	}
}
