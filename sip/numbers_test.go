package sip

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestProxy_ReadsTheNumberOfAUser without password and parameters, unescaped:
// who is called, and who calls.
func TestProxy_ReadsTheNumberOfAUser(t *testing.T) {
	for user, want := range map[string]string{
		"1002": "1002", "%31002": "1002", "1002:secret": "1002", "1002;phone-context=h": "1002", "1002;isub=1:secret": "1002", "+49%2A": "+49*", "%31002%3Bx": "1002;x",
	} {
		t.Run(user, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				came := make(chan *proxy.Call, 1)
				s := newStage(t, 1, "udp", "udp", func(c *Config) { c.Calls = arrivals(came) })
				a := s.parties["a"]
				a.caller, a.invited, a.target, a.remote = true, "c", "sip:"+user+"@"+testRealm, "<sip:x@h>"
				a.number = user
				a.request("INVITE")
				synctest.Wait()
				c := <-came
				if from := c.Origin(); c.Called() != want || from != (invite.Origin{DN: "9000", Trunk: true, Number: want}) {
					t.Errorf("%q is called by %+v, want %q", c.Called(), from, want)
				}
				c.Reject(404, "Not Found")
			})
		})
	}
}

// TestProxy_AGatewayBehindAnEdgeProxy: what is left of the Route goes on with the
// request, which goes to an address that the trunk has now, and nowhere else.
func TestProxy_AGatewayBehindAnEdgeProxy(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		a, b, edge := s.parties["a"], s.parties["b"], s.party("e", "edge", "udp", w)
		route := "<sip:" + edge.addr() + ";lr>"
		a.caller, a.invited, a.target, a.remote = true, "c", uriTo("1002"), "<"+uriTo("1002")+">"
		a.request("INVITE", "Record-Route: "+route)
		synctest.Wait()
		b.respond(200, "INVITE")
		synctest.Wait()
		a.ack()
		synctest.Wait()
		for _, c := range []struct {
			method   string
			to, none *party
		}{{"INFO", a, edge}, {"BYE", edge, a}} {
			method := c.method
			w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: c.to.addr(), Prefix: "+"}})
			synctest.Wait()
			b.request(method)
			synctest.Wait()
			got := s.heard(c.to, method)
			if !strings.HasPrefix(got, method+" "+a.contact()+" ") || header(got, "Route") != route || s.heard(c.none, method) != "" {
				t.Errorf("%s heard %q", c.to.name, got)
			}
			c.to.respond(200, method)
			synctest.Wait()
			if got := word(s.heard(b, "answer "+method)); got != "200" {
				t.Errorf("%s: %s", method, got)
			}
		}
	})
}

// TestProxy_AGatewayWithoutItsConnection: requests within a call go down the connection
// that the gateway opened, and by datagram to where its trunk is once that is gone.
func TestProxy_AGatewayWithoutItsConnection(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "tcp", "udp", nil)
		a, b, port := s.parties["a"], s.parties["b"], s.party("e", "port", "udp", s.nodes[0])
		a.anew("INVITE", "c", "1002")
		synctest.Wait()
		b.respond(200, "INVITE")
		synctest.Wait()
		a.ack()
		synctest.Wait()
		b.target = "sip:9000@" + port.addr()
		for _, c := range []struct {
			method string
			to     *party
			before func()
		}{
			{"INFO", a, func() {}},
			{"MESSAGE", port, func() {
				s.hangUp(a)
				s.nodes[0].put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: port.addr(), Prefix: "+", Sources: []string{"198.51.100.0/24"}}})
			}},
			{"BYE", port, func() {}},
		} {
			c.before()
			synctest.Wait()
			b.request(c.method)
			synctest.Wait()
			if got := s.heard(c.to, c.method); !strings.HasPrefix(got, c.method+" "+b.target+" ") {
				t.Fatalf("%s did not come to %s: %q", c.method, c.to.name, got)
			}
			c.to.respond(200, c.method)
			synctest.Wait()
			if got := word(s.heard(b, "answer "+c.method)); got != "200" {
				t.Errorf("%s: %s", c.method, got)
			}
		}
	})
}
