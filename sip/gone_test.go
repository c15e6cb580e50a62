package sip

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/location"
)

// TestTrunk_WhoseConnectionIsGoneIsCalledBack: what belongs to a call that came by a trunk's
// connection opens another one when that is gone, to where the Contact says, or to the
// trunk's address, by the trunk's transport, and over TLS with the trunk only.
func TestTrunk_WhoseConnectionIsGoneIsCalledBack(t *testing.T) {
	const name = "sbc.carrier.test"
	for _, c := range []struct {
		name    string
		secure  bool
		contact func(addr string) string
		serves  string // name in the certificate at the address
		comes   bool
	}{
		{"tcp", false, func(a string) string { return "sip:gw@" + a + ";transport=tcp" }, "", true},
		{"tcp, the Contact says no transport", false, func(a string) string { return "sip:gw@" + a }, "", true},
		{"tcp, the Contact is not the trunk's", false, func(string) string { return "sip:gw@192.0.2.7:5099;transport=tcp" }, "", true},
		{"tls", true, func(a string) string { return "sip:gw@" + a + ";transport=tls" }, name, true},
		{"tls, the Contact says no transport", true, func(a string) string { return "sip:gw@" + a }, name, true},
		{"tls, the Contact wants less", true, func(a string) string { return "sip:gw@" + a + ";transport=tcp" }, name, true},
		{"tls, somebody else is there", true, func(a string) string { return "sip:gw@" + a + ";transport=tls" }, "evil.test", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := newAuthority(t)
			var serves *tls.Config
			transport := configpb.TrunkTransport_TRUNK_TRANSPORT_TCP
			if c.secure {
				serves, transport = &tls.Config{Certificates: []tls.Certificate{ca.of(c.serves, time.Now().Add(time.Hour))}}, configpb.TrunkTransport_TRUNK_TRANSPORT_TLS
			}
			s := newCarrierServer(t, serves, "200 OK")
			w := carrierWorld(t, ca, func(k *configpb.Trunk) {
				if k.Address, k.Transport = s.addr, transport; c.secure {
					k.TlsName = name
				}
			})
			x, phone := newScript(t), w.ua("udp", "1001")
			conn := w.carriersConnection(ca, c.secure, name)
			l := &line{t: t, conn: conn}
			l.send(trunksRequest("INVITE", uriTo("1001"), "", c.contact(s.addr), "1"))
			in := x.take(phone)
			x.ok(in.Answer())
			res := l.receive(patience.Limit)
			for res != nil && res.code < 200 {
				res = l.receive(patience.Limit)
			}
			if res == nil || res.code != 200 {
				t.Fatalf("answered %+v", res)
			}
			var routes []string
			for _, h := range res.headers {
				if strings.EqualFold(h[0], "Record-Route") {
					routes = append(routes, strings.Split(h[1], ", ")...)
				}
			}
			slices.Reverse(routes)
			l.send(trunksRequest("ACK", strings.Trim(strings.Split(res.get("Contact"), ";")[0], "<>"), strings.Join(routes, ", "), c.contact(s.addr), res.get("To")))
			x.expect(in, "ACK")
			conn.Close()
			until(t, "the connection is gone", func() bool { return w.server.Held()["sip_connections"] == 0 })
			if !c.comes {
				_, err := in.Bye(x.ctx)
				if len(s.came) > 0 {
					t.Errorf("who is not the trunk is told %q, %v", <-s.came, err)
				}
				return
			}
			x.do(in, "INFO", 200)
			x.do(in, "BYE", 200)
			for _, want := range []string{"INFO ", "BYE "} {
				if got := patience.Receive(t, "a request", s.came); !strings.HasPrefix(got, want+c.contact(s.addr)) {
					t.Errorf("%q came, want %s to the Contact", got, want)
				}
			}
		})
	}
}

// carriersConnection is one that a carrier opens.
func (w *world) carriersConnection(ca *authority, secure bool, name string) net.Conn {
	w.t.Helper()
	dial := func() (net.Conn, error) { return net.Dial("tcp", w.server.Addr(location.TCP).String()) }
	if secure {
		roots := x509.NewCertPool()
		roots.AddCert(ca.cert)
		dial = func() (net.Conn, error) {
			return tls.Dial("tcp", w.server.Addr(location.TLS).String(), &tls.Config{
				RootCAs: roots, ServerName: "sip.cluster.test", Certificates: []tls.Certificate{ca.of(name, time.Now().Add(time.Hour))},
			})
		}
	}
	conn, err := dial()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

// trunksRequest is one of a call that comes by a trunk. to is the tag, or the value, of To.
func trunksRequest(method, uri, routes, contact, to string) string {
	if method == "INVITE" {
		to = "<" + uri + ">"
	}
	lines := []string{
		method + " " + uri + " SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.1:5999;rport;branch=z9hG4bKgone" + method, "Max-Forwards: 70", "From: <sip:+4930@gw.test>;tag=gone", "To: " + to,
		"Call-ID: gone", "CSeq: 1 " + method, "Contact: <" + contact + ">",
	}
	if routes != "" {
		lines = append(lines, "Route: "+routes)
	}
	return strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")
}

// TestCarrier_ByIPv6ThatWantsACertificate: one that lets nobody in who shows none that it
// believes, at an address of IPv6.
func TestCarrier_ByIPv6ThatWantsACertificate(t *testing.T) {
	const name = "sbc.carrier.test"
	for what, believed := range map[string]bool{"ours": true, "another authority's": false} {
		t.Run(what, func(t *testing.T) {
			l, err := net.Listen("tcp", "[::1]:0")
			if err != nil {
				t.Skip("no IPv6 here: ", err)
			}
			ca, roots := newAuthority(t), x509.NewCertPool()
			roots.AddCert(ca.cert)
			if !believed {
				roots = x509.NewCertPool()
				roots.AddCert(newAuthority(t).cert)
			}
			s := serveCarrier(t, l, &tls.Config{Certificates: []tls.Certificate{ca.of(name, time.Now().Add(time.Hour))}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}, "200 OK")
			w := carrierWorld(t, ca, func(k *configpb.Trunk) {
				k.Address, k.Transport, k.TlsName = s.addr, configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, name
			})
			x := newScript(t)
			call := x.place(w.ua("udp", "1001"), "9000")
			if !believed {
				x.await(call, 503)
				return
			}
			x.await(call, 200)
			if shown := patience.Receive(t, "a handshake", s.shown); shown != "sip.cluster.test" {
				t.Errorf("it is shown the certificate of %q", shown)
			}
			x.ok(call.Ack())
			x.do(call, "BYE", 200)
			for _, want := range []string{"INVITE sip:9000@" + s.addr, "ACK ", "BYE "} {
				if line := patience.Receive(t, "a request", s.came); !strings.HasPrefix(line, want) {
					t.Errorf("%s, want %s", line, want)
				}
			}
		})
	}
}
