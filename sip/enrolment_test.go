package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestTrunk_RegistersAtItsCarrier with the account that it has there, keeps to the time that
// it is given, and takes the carrier's calls at the contact that it gave.
func TestTrunk_RegistersAtItsCarrier(t *testing.T) {
	for _, c := range []struct {
		status   int
		asks     string // of the challenge
		response func(ha1, cnonce, uri string) string
	}{
		{401, `qop="auth"`, func(ha1, cnonce, uri string) string {
			return md5Hex(ha1 + ":n1:00000001:" + cnonce + ":auth:" + md5Hex("REGISTER:"+uri))
		}},
		{407, `qop="auth"`, func(ha1, cnonce, uri string) string {
			return md5Hex(ha1 + ":n1:00000001:" + cnonce + ":auth:" + md5Hex("REGISTER:"+uri))
		}},
		{401, `algorithm=MD5-sess, qop="auth-int"`, func(ha1, cnonce, uri string) string {
			return md5Hex(md5Hex(ha1+":n1:"+cnonce) + ":n1:00000001:" + cnonce + ":auth-int:" + md5Hex("REGISTER:"+uri+":"+md5Hex("")))
		}},
	} {
		status := c.status
		t.Run(fmt.Sprint(status, " ", c.asks), func(t *testing.T) {
			w := callWorld(t, nil, "1002")
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
			s := newScript(t)
			came := make(chan *siptest.Message, 16)
			gw := w.carrier("", func(*configpb.Trunk) {})
			asks, answers := "WWW-Authenticate", "Authorization"
			if status == 407 {
				asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
			}
			gw.OnRequest(func(m *siptest.Message) bool {
				if m.Method != "REGISTER" {
					return false
				}
				if m.Header(answers) == "" {
					return gw.Respond(m, status, "Who?", "t", asks+`: Digest realm="carrier.test", nonce="n1", `+c.asks) == nil
				}
				came <- m
				return gw.Respond(m, 200, "OK", "t", "Contact: <sip:else@192.0.2.1>;expires=1, "+m.Header("Contact")+";expires=120", "Expires: 7") == nil
			})
			d := w.machine.View().DN("9000")
			w.put(&configpb.DN{Number: "9000", Kind: d.GetKind(), Trunk: &configpb.Trunk{
				Address: d.GetTrunk().GetAddress(), OutboundRealm: "carrier.test", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: md5Hex("we:carrier.test:secret")},
				Registration: &configpb.TrunkRegistration{Domain: "carrier.test", Called: "1002"},
			}})
			var m *siptest.Message
			select {
			case m = <-came:
			case <-s.ctx.Done():
				t.Fatal("no REGISTER that proves who it is")
			}
			var shown digest.Credentials
			if !shown.Parse([]byte(m.Header(answers))) || string(shown.Username) != "we" || m.Header("CSeq") != "2 REGISTER" || m.Header("Expires") != "600" {
				t.Errorf("%s, CSeq %s, Expires %s", m.Header(answers), m.Header("CSeq"), m.Header("Expires"))
			}
			if want := c.response(md5Hex("we:carrier.test:secret"), string(shown.CNonce), string(shown.URI)); string(shown.Response) != want {
				t.Errorf("%s: want the response %s", m.Header(answers), want)
			}
			if got, _, _ := strings.Cut(m.Header("To"), ";"); got != "<sip:we@carrier.test>" || !strings.HasPrefix(m.Header("From"), got) {
				t.Errorf("To %s, From %s", m.Header("To"), m.Header("From"))
			}
			var holds time.Time
			until(t, "the registration is known", func() bool {
				st, ok := w.server.Registered("9000")
				holds = st.Until
				return ok && st.Node == w.table.Self() && !holds.IsZero()
			})
			if left := time.Until(holds); left < 60*time.Second || left > 120*time.Second {
				t.Errorf("it holds for %v", left)
			}
			b := w.ua("udp", "1002")
			out, err := gw.Place(s.ctx, strings.Trim(m.Header("Contact"), "<>"))
			s.ok(err)
			s.ok(s.take(b).Refuse(486, "Busy Here"))
			s.await(out, 486)
		})
	}
}

// TestTrunk_SaysWhichDigestIsMissing: of a carrier that asks for one by SHA-256 alone, where
// one of MD5 is stored.
func TestTrunk_SaysWhichDigestIsMissing(t *testing.T) {
	w := callWorld(t, nil, "1002")
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
	gw := w.carrier("", func(*configpb.Trunk) {})
	gw.OnRequest(func(m *siptest.Message) bool {
		return m.Method == "REGISTER" && gw.Respond(m, 401, "Unauthorized", "t", `WWW-Authenticate: Digest realm="carrier.test", nonce="n1", qop="auth", algorithm=SHA-256`) == nil
	})
	d := w.machine.View().DN("9000")
	w.put(&configpb.DN{Number: "9000", Kind: d.GetKind(), Trunk: &configpb.Trunk{
		Address: d.GetTrunk().GetAddress(), OutboundRealm: "carrier.test", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: md5Hex("we:carrier.test:secret")},
		Registration: &configpb.TrunkRegistration{Domain: "carrier.test"},
	}})
	const want = "401 Unauthorized (The carrier wants a digest by SHA-256, which is not stored: set the password anew)"
	until(t, "the reason is told", func() bool {
		st, _ := w.server.Registered("9000")
		return st.Error == want
	})
}
