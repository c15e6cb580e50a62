package sip

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// unnamed is a request of somebody who does not say that he is a phone of this cluster, or
// does, to a URI; within a dialog it has a tag in To.
func unnamed(method, branch, uri, from string) string {
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=a\r\nTo: <%[2]s>\r\nCall-ID: %[3]s\r\nCSeq: 1 %[1]s\r\nContact: <sip:9@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n",
		method, uri, branch, from)
}

func trunkDN(number, address string) *configpb.DN {
	return &configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: address}}
}

// TestTrunk_IsKnownWhenTheServerBegins: a carrier's INVITE that waits at the port while a node
// loads its configuration is served by that, whatever its domain.
func TestTrunk_IsKnownWhenTheServerBegins(t *testing.T) {
	for i := range 5 {
		var l *line
		callWorld(t, func(c *Config) {
			free, err := net.ListenPacket("udp", "127.0.0.1:0")
			noError(t, err)
			c.UDP, c.TCP = free.LocalAddr().String(), ""
			_ = free.Close()
			c.Load = func(func(bool)) error {
				l = lineTo(t, c.UDP)
				for _, d := range []*configpb.DN{phoneDN("1001"), trunkDN("9000", l.conn.LocalAddr().String())} {
					c.Machine.ApplyCommand(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: d}}}})
				}
				l.send(unnamed("INVITE", fmt.Sprint("waits", i), "sip:1001@carrier.test", "sip:+4930123@127.0.0.1"))
				return nil
			}
		})
		if r := l.final(); r == nil || r.code != 480 {
			t.Fatalf("%+v, want that the phone is not there", r)
		}
	}
}

// TestServer_WhatIsNotKnownYetIsNotDenied: while a node may not have read the configuration
// of the cluster, or knows the address of no trunk that has one, who may be a carrier is told
// to go elsewhere, and phones are asked as ever. What comes is the same when it is known.
func TestServer_WhatIsNotKnownYetIsNotDenied(t *testing.T) {
	var behind atomic.Bool
	found := make(chan struct{})
	names := nameServer(t, func(_ string, head dns.RR_Header) []dns.RR {
		if <-found; head.Rrtype == dns.TypeA {
			return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
		}
		return nil
	})
	w := callWorld(t, func(c *Config) { c.Behind, c.NameServers = behind.Load, []string{names} }, "1001", "1002")
	off := phoneDN("1003")
	off.Disabled = true
	w.put(off)
	l := w.dial("udp")
	_, port, _ := net.SplitHostPort(l.conn.LocalAddr().String())
	const stranger, ours, nobody = "sip:+4930123@carrier.test", "sip:+4930123@127.0.0.1", "sip:anonymous@anonymous.invalid"
	rows := []struct {
		what, method, uri, from      string
		unknown, behind, sought, now int
	}{
		{"a carrier's call", "INVITE", uriTo("1001"), stranger, 403, 503, 503, 480},
		{"a carrier that writes our address", "INVITE", uriTo("1001"), ours, 407, 503, 503, 480},
		{"a carrier that writes its domain", "INVITE", "sip:1001@carrier.test", ours, 404, 503, 503, 480},
		{"a caller who is withheld", "INVITE", uriTo("1001"), nobody, 407, 503, 503, 480},
		{"a carrier's ping", "OPTIONS", "sip:1001@carrier.test", stranger, 404, 503, 503, 480},
		{"a carrier that asks for a DN", "OPTIONS", uriTo("1001"), stranger, 401, 503, 503, 480},
		{"anybody's ping", "OPTIONS", "sip:" + testRealm, stranger, 200, 200, 200, 200},
		{"a voicemail system", "NOTIFY", uriTo("1009"), stranger, 403, 503, 503, 404},
		{"one for who is disabled", "NOTIFY", uriTo("1003"), stranger, 403, 503, 503, 403},
		{"a phone's call", "INVITE", uriTo("1001"), uriTo("1002"), 407, 407, 407, 480},
		{"a phone that calls elsewhere", "INVITE", "sip:bob@elsewhere.test", uriTo("1002"), 404, 404, 404, 404},
		{"an address without a number", "INVITE", "sip:" + testRealm, stranger, 484, 484, 484, 484},
	}
	n := 0
	ask := func(when string, want func(i int) int) {
		t.Helper()
		for i, c := range rows {
			n++
			r := l.ask(unnamed(c.method, fmt.Sprint("gap", n), c.uri, c.from))
			if r.code != want(i) || r.code == 503 && r.get("Retry-After") == "" {
				t.Errorf("%s, %s: %d %s, want %d", c.what, when, r.code, r.reason, want(i))
			}
		}
	}
	ask("no trunk is there", func(i int) int { return rows[i].unknown })
	behind.Store(true)
	ask("the configuration may be behind", func(i int) int { return rows[i].behind })
	behind.Store(false)
	w.put(trunkDN("9000", net.JoinHostPort("gw.test", port)))
	until(t, "the trunk is known", func() bool { return len(w.server.TrunkStates("9000")) > 0 })
	until(t, "it counts", func() bool { return w.server.proxy.Gaps().Sought })
	ask("the trunk is looked up", func(i int) int { return rows[i].sought })
	close(found)
	until(t, "the trunk is found", func() bool { return !w.server.proxy.Gaps().Sought })
	ask("the trunk is there", func(i int) int { return rows[i].now })
	behind.Store(true)
	if r := l.ask(unnamed("NOTIFY", "gone", uriTo("1009"), stranger)); r.code != 503 {
		t.Errorf("a trunk's message for who is not there: %+v", r)
	}
}

// TestServer_WhatIsNotKnownYetEndsNoCall: within a call neither a refusal nor a 503 is said,
// by which phones end it.
func TestServer_WhatIsNotKnownYetEndsNoCall(t *testing.T) {
	var behind atomic.Bool
	w := callWorld(t, func(c *Config) { c.Behind = behind.Load }, "1001")
	l := w.dial("tcp")
	for i, want := range []int{403, 500} {
		behind.Store(want == 500)
		m := unnamed("INVITE", fmt.Sprint("within", i), uriTo("1001"), uriTo("1001"))
		m = strings.Replace(m, "To: <"+uriTo("1001")+">", "To: <"+uriTo("1001")+">;tag=b\r\nRoute: <sip:Aforged@"+w.server.TCPAddr().String()+";lr>", 1)
		if r := l.ask(strings.Replace(m, "UDP", "TCP", 1)); r.code != want || want == 500 && r.get("Retry-After") == "" {
			t.Errorf("%+v, want %d", r, want)
		}
	}
}

// TestTrunk_IsLookedUpAtTheEndOfItsCall: a BYE to a trunk whose address is not known yet, as
// after a restart, is not agreed to on its behalf, and one from there is not denied to be of
// the call. It has no answer, comes again, and is passed on when the address is known.
func TestTrunk_IsLookedUpAtTheEndOfItsCall(t *testing.T) {
	for _, who := range []string{"the phone", "the trunk"} {
		t.Run(who, func(t *testing.T) {
			found := make(chan struct{})
			names := nameServer(t, func(_ string, head dns.RR_Header) []dns.RR {
				if <-found; head.Rrtype == dns.TypeA {
					return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
				}
				return nil
			})
			w := callWorld(t, func(c *Config) { c.NameServers = []string{names} }, "1001")
			s := newScript(t)
			repeats := func(number, domain string) *siptest.UA {
				u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: domain, Server: w.server.UDPAddr().String(), Repeats: true})
				s.ok(err)
				t.Cleanup(u.Close)
				return u
			}
			gw, b := repeats("gw", "gw.test"), repeats("1001", testRealm)
			_, err := b.Register(s.ctx, time.Hour)
			s.ok(err)
			w.put(trunkDN("9000", gw.Addr()))
			until(t, "the trunk is known", func() bool { _, is := w.server.proxy.Trunk(mustAddrPort(gw.Addr()), location.UDP); return is })
			out, in := s.up(gw, b, "1001")
			_, port, _ := net.SplitHostPort(gw.Addr())
			w.put(trunkDN("9000", net.JoinHostPort("gw.test", port)))
			until(t, "the trunk is looked up", func() bool { return w.server.proxy.Gaps().Sought })
			by, to := in, out
			if who == "the trunk" {
				by, to = out, in
			}
			before := w.server.Stats().Plain
			ended := make(chan error, 1)
			go func() {
				res, err := by.Do(s.ctx, "BYE")
				if err == nil && res.Code != 200 {
					err = fmt.Errorf("BYE is answered %d %s", res.Code, res.Reason)
				}
				ended <- err
			}()
			until(t, "the BYE has come", func() bool { return w.server.Stats().Plain > before })
			close(found)
			s.expect(to, "BYE")
			s.ok(patience.Receive(t, "the end of the call", ended))
		})
	}
}
