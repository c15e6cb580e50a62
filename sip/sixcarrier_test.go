package sip

import (
	"crypto/tls"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	dnplane "github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// sixName is a host that has an address of IPv6 alone, bothName one that has one of each.
const sixName, bothName = "six.carrier.test", "both.carrier.test"

// sixWorld is a node with both families, which asks a name server that knows those hosts. Its
// phone 1001 has IPv4 alone.
type sixWorld struct {
	*world
	port  string
	phone *siptest.UA
}

func newSixWorld(t *testing.T, change func(*Config)) *sixWorld {
	t.Helper()
	names := sixNames(t)
	w := &sixWorld{world: callWorld(t, func(c *Config) {
		c.UDP, c.TCP, c.NameServers = "[::]:0", "[::]:0", []string{names}
		change(c)
	}, "1001")}
	w.port = sixPort(w.server.UDPAddr().String())
	w.server.Advertise(net.JoinHostPort("127.0.0.1", w.port))
	w.phone = w.at("1001", "127.0.0.1")
	ctx, cancel := siptest.Within(patience.Limit)
	defer cancel()
	if res, err := w.phone.Register(ctx, time.Hour); err != nil || res.Code != 200 {
		t.Fatal(res, err)
	}
	return w
}

// at is a user agent at an address, by UDP.
func (w *sixWorld) at(number, host string) *siptest.UA {
	w.t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: net.JoinHostPort(host, w.port), Local: host})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(u.Close)
	return u
}

// trunk9000 configures the trunk and waits until it leads somewhere.
func (w *sixWorld) trunk9000(k *configpb.Trunk) {
	w.t.Helper()
	k.Prefix = "+"
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: k})
	until(w.t, "the trunk is found", func() bool {
		states := w.server.TrunkStates("9000")
		return len(states) > 0 && states[0].Err == nil
	})
}

func sixPort(addr string) string {
	return strconv.Itoa(int(netip.MustParseAddrPort(addr).Port()))
}

// sixNames is a name server of the hosts. The test is skipped where there is no IPv6.
func sixNames(t *testing.T) string {
	t.Helper()
	return nameServer(t, func(asked string, head dns.RR_Header) []dns.RR {
		switch {
		case head.Rrtype == dns.TypeAAAA && (asked == sixName+"." || asked == bothName+"."):
			return []dns.RR{&dns.AAAA{Hdr: head, AAAA: net.IPv6loopback}}
		case head.Rrtype == dns.TypeA && asked == bothName+".":
			return []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
		}
		return nil
	})
}

// nameServer is one that has these records of what is asked, in lower case. The test is
// skipped where there is no IPv6.
func nameServer(t *testing.T, records func(asked string, head dns.RR_Header) []dns.RR) string {
	t.Helper()
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here: ", err)
	} else {
		c.Close()
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready, over := make(chan struct{}), make(chan error, 1)
	s := &dns.Server{PacketConn: c, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		res, name := new(dns.Msg).SetReply(q), q.Question[0].Name
		res.Answer = records(strings.ToLower(name), dns.RR_Header{Name: name, Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 60})
		_ = w.WriteMsg(res) // whoever asked may be gone
	})}
	go func() { over <- s.ActivateAndServe() }()
	patience.Receive(t, "the name server", ready)
	t.Cleanup(func() { _, _ = s.Shutdown(), <-over })
	return c.LocalAddr().String()
}

// TestSixCarrier_ByUDP: a carrier of IPv6 alone, by its address or a name that has no other,
// is called and calls; each side can send to what it is told of the node.
func TestSixCarrier_ByUDP(t *testing.T) {
	for name, address := range map[string]func(port string) string{
		"an address": func(port string) string { return "[::1]:" + port },
		"a name":     func(port string) string { return sixName + ":" + port },
	} {
		t.Run(name, func(t *testing.T) {
			w := newSixWorld(t, func(*Config) {})
			s, gw := newScript(t), w.at("gw", "::1")
			w.trunk9000(&configpb.Trunk{Address: address(sixPort(gw.Addr()))})
			for _, calls := range []struct {
				from, to *siptest.UA
				number   string
				network  [2]string // of the caller and of the called
			}{
				{w.phone, gw, "9000", [2]string{"udp4", "udp6"}}, {gw, w.phone, "1001", [2]string{"udp6", "udp4"}},
			} {
				for _, hangsUp := range []bool{false, true} {
					out := s.place(calls.from, calls.number)
					in := s.take(calls.to)
					reaches(t, calls.network[1], hostOf(t, in.Invite.Headers("Record-Route")[0]))
					reaches(t, calls.network[1], viaOf(t, in.Invite.Header("Via")))
					s.ok(in.Answer())
					list := s.await(out, 200).Headers("Record-Route")
					reaches(t, calls.network[0], hostOf(t, list[len(list)-1]))
					s.ok(out.Ack())
					s.expect(in, "ACK")
					a, b := out, in
					if hangsUp {
						a, b = in, out
					}
					s.do(a, "INFO", 200)
					s.expect(b, "INFO")
					s.do(a, "BYE", 200)
					s.expect(b, "BYE")
				}
			}
		})
	}
}

// TestSixCarrier_IsAskedWhetherItIsThere, by OPTIONS, as others are.
func TestSixCarrier_IsAskedWhetherItIsThere(t *testing.T) {
	w := newSixWorld(t, func(*Config) {})
	gw := w.at("gw", "::1")
	var silent atomic.Bool
	silent.Store(true)
	gw.OnRequest(func(m *siptest.Message) bool { return silent.Load() || gw.Respond(m, 200, "OK", "t") == nil })
	w.trunk9000(&configpb.Trunk{Address: sixName + ":" + sixPort(gw.Addr())})
	w.options(&configpb.Options{Realm: testRealm, TrunkOptionsS: proto.Uint32(1)})
	is := func(state dnplane.State) func() bool {
		return func() bool { st, known := w.table.Get("9000"); return known && st.State == state }
	}
	until(t, "the trunk is out of service", is(dnplane.OOS))
	silent.Store(false)
	until(t, "the trunk is back", is(dnplane.InSrv))
}

// TestSixCarrier_GoesOnByIPv4: where nobody answers by IPv6 the next address is of the other
// family, one of the trunk or one of the name, and what belongs to the call goes there.
func TestSixCarrier_GoesOnByIPv4(t *testing.T) {
	for name, trunk := range map[string]func(port string) *configpb.Trunk{
		"another address": func(port string) *configpb.Trunk {
			return &configpb.Trunk{Address: "[::1]:" + port, MoreAddresses: []string{"127.0.0.1:" + port}}
		},
		"a name of both": func(port string) *configpb.Trunk { return &configpb.Trunk{Address: bothName + ":" + port} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newSixWorld(t, func(*Config) {})
			s, gw := newScript(t), w.at("gw", "127.0.0.1")
			w.trunk9000(trunk(sixPort(gw.Addr())))
			out, in := s.up(w.phone, gw, "9000")
			reaches(t, "udp4", hostOf(t, in.Invite.Headers("Record-Route")[0]))
			reaches(t, "udp4", viaOf(t, in.Invite.Header("Via")))
			s.do(in, "BYE", 200)
			s.expect(out, "BYE")
		})
	}
}

// serves has a node serve TLS in both families, by a certificate of the authority.
func (a *authority) serves(c *Config) {
	dir := a.t.TempDir()
	c.TLS, c.ClientCAFile, c.CertFile, c.KeyFile = "[::]:0", a.file(), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.write(c.CertFile, c.KeyFile, "sip.cluster.test")
}

// TestSixCarrier_OverConnections: one that the node opens, with TLS to whom has the name that
// is configured, and one that the carrier opens.
func TestSixCarrier_OverConnections(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for name, host := range map[string]string{"an address": "[::1]", "a name": sixName} {
			t.Run(map[bool]string{false: "tcp, ", true: "tls, "}[secure]+name, func(t *testing.T) {
				ca := newAuthority(t)
				trunk := &configpb.Trunk{Transport: configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, Sources: []string{"::1"}}
				var serves *tls.Config
				if secure {
					serves = &tls.Config{Certificates: []tls.Certificate{ca.of(sixName, time.Now().Add(time.Hour))}}
					if trunk.Transport = configpb.TrunkTransport_TRUNK_TRANSPORT_TLS; host != sixName {
						trunk.TlsName = sixName
					}
				}
				w := newSixWorld(t, func(c *Config) {
					if secure {
						ca.serves(c)
					}
				})
				l, err := net.Listen("tcp", "[::1]:0")
				if err != nil {
					t.Fatal(err)
				}
				c := serveCarrier(t, l, serves, "200 OK")
				trunk.Address = host + ":" + sixPort(c.addr)
				w.trunk9000(trunk)
				s := newScript(t)
				out := s.place(w.phone, "9000")
				s.await(out, 200)
				s.ok(out.Ack())
				s.do(out, "BYE", 200)
				for _, want := range []string{"INVITE ", "ACK ", "BYE "} {
					if line := patience.Receive(t, "a request", c.came); !strings.HasPrefix(line, want) {
						t.Errorf("%s, want %s", line, want)
					}
				}
				in := &line{t: t, conn: w.carriersConnection(ca, secure, sixName)}
				in.send(trunksRequest("INVITE", uriTo("1001"), "", "sip:gw@"+c.addr, "1"))
				s.ok(s.take(w.phone).Refuse(486, "Busy Here"))
				res := in.receive(patience.Limit)
				for res != nil && res.code < 200 {
					res = in.receive(patience.Limit)
				}
				if res == nil || res.code != 486 {
					t.Errorf("the carrier's call is answered %+v", res)
				}
			})
		}
	}
}
