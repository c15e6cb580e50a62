package sip

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestSIPS_IsTLSAllTheWay or 480 (RFC 3261 §26.2.2): from the caller, to the phone, and
// between the nodes.
func TestSIPS_IsTLSAllTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		far      bool // the phone is at another node
		sealed   bool // nobody reads what goes there
		code     int
	}{
		"TLS and TLS":                     {from: "tls", to: "tls", code: 200},
		"a phone by UDP":                  {from: "tls", to: "udp", code: 480},
		"a phone by TCP":                  {from: "tls", to: "tcp", code: 480},
		"a caller by UDP":                 {from: "udp", to: "tls", code: 480},
		"a caller by TCP":                 {from: "tcp", to: "tls", code: 480},
		"at another node":                 {from: "tls", to: "tls", far: true, sealed: true, code: 200},
		"at another node, in clear":       {from: "tls", to: "tls", far: true, code: 480},
		"at another node, a phone by UDP": {from: "tls", to: "udp", far: true, sealed: true, code: 480},
	} {
		t.Run(name, func(t *testing.T) {
			n1, n2 := twoNodesOf(t, func(cfg *Config) {
				allTransports(t)(cfg)
				cfg.Sealed = c.sealed
			})
			if c.far {
				n1.knows("n2", "1002")
			} else {
				n1.remote.Clear()
				n2 = n1
			}
			s := newScript(t)
			a, b := n1.ua(c.from, "1001"), n2.ua(c.to, "1002")
			out, err := a.Place(s.ctx, "sips:1002@"+testRealm)
			s.ok(err)
			res, err := a.Do(s.ctx, siptest.Request{Method: "MESSAGE", URI: "sips:1002@" + testRealm, To: "<" + uriTo("1002") + ">"}) // no call, and the same
			s.ok(err)
			if c.code == 480 != (res.Code == 480) {
				t.Errorf("a MESSAGE is answered %d %s", res.Code, res.Reason)
			}
			if c.code != 200 {
				s.await(out, c.code)
				return
			}
			in := s.take(b)
			if rr := strings.Join(in.Invite.Headers("Record-Route"), ","); strings.Contains(rr, "sip:") || !strings.Contains(rr, "sips:") {
				t.Error("Record-Route:", rr)
			}
			s.ok(in.Answer())
			s.await(out, 200)
			s.ok(out.Ack())
			s.expect(in, "ACK")
			for _, way := range [][2]*siptest.Call{{out, in}, {in, out}} {
				s.do(way[0], "INFO", 200)
				s.expect(way[1], "INFO")
			}
			s.do(out, "BYE", 200)
			s.expect(in, "BYE")
		})
	}
}
