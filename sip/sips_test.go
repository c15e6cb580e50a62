package sip

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
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

// TestSIPS_LeavesByTLS or not at all: by a trunk that is spoken to over TLS it is sips there
// too.
func TestSIPS_LeavesByTLS(t *testing.T) {
	for name, c := range map[string]struct {
		transport configpb.TrunkTransport
		code      int
	}{
		"TLS": {configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, 200},
		"TCP": {configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, 480},
	} {
		t.Run(name, func(t *testing.T) {
			ca := newAuthority(t)
			var config *tls.Config
			if c.code == 200 {
				config = &tls.Config{Certificates: []tls.Certificate{ca.of("sbc.carrier.test", time.Now().Add(time.Hour))}}
			}
			s := newCarrierServer(t, config, "200 OK")
			w := carrierWorld(t, ca, func(k *configpb.Trunk) { k.Address, k.Transport, k.TlsName = s.addr, c.transport, "sbc.carrier.test" })
			if by := w.server.LeavesByTLS("9000"); by != (c.code == 200) {
				t.Errorf("it has a way by TLS: %v", by)
			}
			x := newScript(t)
			call, err := w.ua("tls", "1001").Place(x.ctx, "sips:9000@"+testRealm)
			x.ok(err)
			x.await(call, c.code)
			if o := patience.Receive(t, "the outcome", w.outcomes); c.code != 200 && !o.Retry {
				t.Errorf("no other trunk is tried: %+v", o)
			}
			if c.code != 200 {
				return
			}
			x.ok(call.Ack())
			x.do(call, "BYE", 200)
			for _, want := range []string{"INVITE sips:9000@" + s.addr, "ACK ", "BYE "} {
				if line := patience.Receive(t, "a request", s.came); !strings.HasPrefix(line, want) {
					t.Errorf("%s, want %s", line, want)
				}
			}
		})
	}
}

// TestSIPS_StaysWithTLSWithinACall: the DN's phone by UDP is not asked in place of the one
// whose connection is gone; in a call of sip it is, and knows nothing of it.
func TestSIPS_StaysWithTLSWithinACall(t *testing.T) {
	for scheme, code := range map[string]int{"sip": 481, "sips": 500} {
		t.Run(scheme, func(t *testing.T) {
			w := callWorld(t, allTransports(t), "1001", "1002")
			s := newScript(t)
			a, b := w.ua("tls", "1001"), w.ua("tls", "1002")
			out, err := a.Place(s.ctx, scheme+":1002@"+testRealm)
			s.ok(err)
			in := s.take(b)
			s.ok(in.Answer())
			s.await(out, 200)
			s.ok(out.Ack())
			s.expect(in, "ACK")
			w.ua("udp", "1002")
			b.Close()
			until(t, "the connection is gone", func() bool { return len(w.store.Get("1002").Bindings) == 1 })
			s.do(out, "INFO", code)
		})
	}
}
