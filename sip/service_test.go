package sip

import (
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestTrunk_TakesTheServiceRoute: calls to a carrier at which the node is registered begin
// with the Route that it has asked for, if that is one; what follows within the call goes by
// that of the call, and another answer to REGISTER counts from then on.
func TestTrunk_TakesTheServiceRoute(t *testing.T) {
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("<sip:p.test;lr>,", n), ",") }
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"none", []string{"P-Associated-URI: <sip:+49301@carrier.test>, <tel:+49301"}, nil},
		{"one", []string{"Service-Route: <sip:orig@home.test:6060;transport=udp;lr>"}, []string{"<sip:orig@home.test:6060;transport=udp;lr>"}},
		{"several", []string{`Service-Route: "P, 1" <sip:p1.test;lr>;x=y , <sips:p2.test;lr=on>`, "service-route: <sip:192.0.2.7;lr>"}, []string{"<sip:p1.test;lr>", "<sips:p2.test;lr=on>", "<sip:192.0.2.7;lr>"}},
		{"as many as are taken", []string{"Service-Route: " + many(8)}, strings.Split(many(8), ",")},
		{"too many", []string{"Service-Route: " + many(9)}, nil},
		{"too long", []string{"Service-Route: <sip:" + strings.Repeat("p", 256) + ".test;lr>"}, nil},
		{"of a strict router", []string{"Service-Route: <sip:p1.test;lr>, <sip:p2.test>"}, nil},
		{"no URI of SIP", []string{"Service-Route: <tel:+49301;lr>"}, nil},
		{"no address", []string{"Service-Route: <sip:p1.test;lr"}, nil},
		{"of this node", []string{"Service-Route: <sip:{node};lr>"}, nil},
		{"of this cluster", []string{"Service-Route: <sip:p1.test;lr>, <sip:" + testRealm + ";lr>"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
			s := newScript(t)
			gw := w.carrier("", func(*configpb.Trunk) {})
			gw.OnRequest(func(m *siptest.Message) bool {
				if m.Method != "REGISTER" {
					return false
				}
				lines := []string{"Contact: " + m.Header("Contact") + ";expires=600"}
				if !strings.Contains(m.Header("Contact"), "other@") {
					lines = append(lines, c.lines...)
				}
				for i := range lines {
					lines[i] = strings.ReplaceAll(lines[i], "{node}", w.server.UDPAddr().String())
				}
				return gw.Respond(m, 200, "OK", "t", lines...) == nil
			})
			registers := func(called string) {
				t.Helper()
				before, _ := w.server.Registered("9000")
				w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
					Address: gw.Addr(), Registration: &configpb.TrunkRegistration{Domain: "carrier.test", User: "we", Called: called},
				}})
				until(t, "it is registered as "+called, func() bool {
					st, ok := w.server.Registered("9000")
					return ok && !st.Until.IsZero() && st.Succeeded.After(before.Succeeded)
				})
			}
			a := w.ua("udp", "1001")
			call := func(want []string) {
				t.Helper()
				out := s.place(a, "9000")
				in := s.take(gw)
				if got := in.Invite.Headers("Route"); !slices.Equal(got, want) || !strings.HasPrefix(in.Invite.URI, "sip:9000@"+gw.Addr()) {
					t.Errorf("%s by %q, want %q", in.Invite.URI, got, want)
				}
				s.ok(in.Answer())
				s.await(out, 200)
				s.ok(out.Ack())
				ack := s.expect(in, "ACK")
				s.do(out, "BYE", 200)
				for _, m := range []*siptest.Message{ack, s.expect(in, "BYE")} {
					if got := m.Headers("Route"); len(got) > 0 {
						t.Errorf("%s by %q", m.Method, got)
					}
				}
			}
			registers("we")
			call(c.want)
			registers("other")
			call(nil)
		})
	}
}

// TestTrunk_HeedsWhatACarrierSaysToREGISTER: more time is asked for at once; who says that the
// registrar is elsewhere, or wants what nobody here has, is refusing: no one else is told of
// the account.
func TestTrunk_HeedsWhatACarrierSaysToREGISTER(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   int
		lines  []string
		status string // of the registration; "" when it is
	}{
		{"more time", 423, []string{"Min-Expires: 3600"}, ""},
		{"more time, and no word of how much", 423, nil, "423 X"},
		{"moved for good", 301, []string{"Contact: <sip:{else}>"}, "301 X"},
		{"moved", 302, []string{"Contact: <sip:{else}>;expires=3600"}, "302 X"},
		{"security by agreement", 494, []string{"Security-Server: tls;q=0.2, ipsec-ike;q=0.1"}, "494 X"},
		{"later", 503, []string{"Retry-After: 3600 (maintenance);duration=60"}, "503 X"},
		{"later, perhaps", 500, []string{"Retry-After: x"}, "500 X"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n1", Name: "n1", ClusterAddr: "127.0.0.1:1"}}}}})
			gw, other := w.carrier("", func(*configpb.Trunk) {}), w.stranger("udp", "1001")
			other.OnRequest(func(m *siptest.Message) bool {
				t.Errorf("somebody else hears of it: %s %s", m.Method, m.URI)
				return false
			})
			gw.OnRequest(func(m *siptest.Message) bool {
				if m.Method != "REGISTER" {
					return false
				}
				if m.Header("Expires") == "3600" {
					return gw.Respond(m, 200, "OK", "t", "Contact: "+m.Header("Contact")+";expires=3600", "P-Associated-URI: <sip:x@y>,<tel:+1", "P-Associated-URI:") == nil
				}
				lines := slices.Clone(c.lines)
				for i := range lines {
					lines[i] = strings.ReplaceAll(lines[i], "{else}", other.Addr())
				}
				return gw.Respond(m, c.code, "X", "t", lines...) == nil
			})
			w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
				Address: gw.Addr(), Registration: &configpb.TrunkRegistration{Domain: "carrier.test", User: "we"},
			}})
			until(t, "its word is known", func() bool {
				st, ok := w.server.Registered("9000")
				return ok && (!st.Failed.IsZero() || !st.Succeeded.IsZero()) && st.Error == c.status && st.Until.IsZero() == (c.status != "")
			})
		})
	}
}
