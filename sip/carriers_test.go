package sip

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// carrierServer is a carrier's, to which this cluster opens connections: it answers every request
// with a status, and an INVITE with one of its own.
type carrierServer struct {
	t    *testing.T
	addr string
	// came are the first lines of what came.
	came chan string
	// shown is the name in the certificate that the last one who connected has shown.
	shown chan string
	// from are the addresses of those who connected.
	from chan string
	// cut tells how a request is answered before its connection is closed; false for one
	// that is not. nil is none.
	cut atomic.Pointer[func(line string) (status string, cut bool)]
}

func newCarrierServer(t *testing.T, config *tls.Config, invite string) *carrierServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveCarrier(t, l, config, invite)
}

func serveCarrier(t *testing.T, l net.Listener, config *tls.Config, invite string) *carrierServer {
	s := &carrierServer{t: t, addr: l.Addr().String(), came: make(chan string, 256), shown: make(chan string, 16), from: make(chan string, 256)}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			s.from <- c.RemoteAddr().(*net.TCPAddr).IP.String()
			go s.serve(c, config, invite)
		}
	}()
	t.Cleanup(func() { l.Close(); <-over })
	return s
}

func (s *carrierServer) serve(c net.Conn, config *tls.Config, invite string) {
	defer c.Close()
	if config != nil {
		x := tls.Server(c, config)
		if x.Handshake() != nil {
			return
		}
		name := ""
		if list := x.ConnectionState().PeerCertificates; len(list) > 0 {
			name = strings.Join(list[0].DNSNames, ",")
		}
		s.shown <- name
		c = x
	}
	var buf []byte
	for part := make([]byte, 4096); ; {
		n, err := c.Read(part)
		if buf = append(buf, part[:n]...); err != nil {
			return
		}
		for {
			size, err := message.Frame(buf, 65536)
			if err != nil || size == 0 {
				break
			}
			text := string(buf[:size])
			buf = buf[size:]
			line, _, _ := strings.Cut(text, "\r\n")
			s.came <- line
			if cut := s.cut.Load(); cut != nil {
				if status, ok := (*cut)(line); ok {
					if status != "" {
						_, _ = c.Write([]byte(answerAsCarrier(text, status)))
					}
					return
				}
			}
			if status := map[bool]string{true: invite, false: "200 OK"}[strings.HasPrefix(line, "INVITE")]; !strings.HasPrefix(line, "ACK") && status != "" {
				_, _ = c.Write([]byte(answerAsCarrier(text, status)))
			}
		}
	}
}

// answerAsCarrier is an answer to a request, with a tag and a contact.
func answerAsCarrier(request, status string) string {
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	var out strings.Builder
	out.WriteString("SIP/2.0 " + status + "\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "via", "from", "call-id", "cseq", "record-route":
			out.WriteString(line + "\r\n")
		case "to":
			out.WriteString(line + ";tag=carrier\r\n")
		}
	}
	out.WriteString("Contact: <sip:carrier@10.9.8.7:5060>\r\nContent-Length: 0\r\n\r\n")
	return out.String()
}

// carrierWorld makes a world with a certificate of its own, whose trunk 9000 is as change says.
func carrierWorld(t *testing.T, ca *authority, change func(*configpb.Trunk)) *world {
	t.Helper()
	w := callWorld(t, func(c *Config) {
		if ca == nil {
			return
		}
		dir := t.TempDir()
		c.CertFile, c.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		ca.write(c.CertFile, c.KeyFile, "sip.cluster.test")
		c.TLS, c.ClientCAFile = "127.0.0.1:0", ca.file()
	}, "1001")
	k := &configpb.Trunk{Prefix: "+"}
	change(k)
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: k})
	if _, err := netip.ParseAddrPort(k.GetAddress()); err == nil { // else its name is looked up first
		until(t, "the trunk is known", func() bool { return len(w.server.TrunkStates("9000")) > 0 })
	}
	return w
}

// TestCarrier_OverTCPAndTLS: the connection is opened here, over TLS with whom that has
// the right name, whom the node's own certificate is shown; what belongs to the call goes
// the same way.
func TestCarrier_OverTCPAndTLS(t *testing.T) {
	for _, c := range []struct {
		name      string
		transport configpb.TrunkTransport
		serves    string // name in its certificate
		tlsName   string
		want      int
	}{
		{"tcp", configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, "", "", 200},
		{"tls", configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, "sbc.carrier.test", "sbc.carrier.test", 200},
		{"tls, of a SIP domain", configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, "sip:carrier.test", "carrier.test", 200},
		{"tls, of another SIP domain", configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, "sip:evil.test", "carrier.test", 503},
		{"tls, of another name", configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, "evil.test", "sbc.carrier.test", 503},
		{"tls, the address is no name of its", configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, "sbc.carrier.test", "", 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := newAuthority(t)
			var config *tls.Config
			if c.serves != "" {
				config = &tls.Config{Certificates: []tls.Certificate{ca.of(c.serves, time.Now().Add(time.Hour))}, ClientAuth: tls.RequestClientCert}
			}
			s := newCarrierServer(t, config, "200 OK")
			w := carrierWorld(t, ca, func(k *configpb.Trunk) { k.Address, k.Transport, k.TlsName = s.addr, c.transport, c.tlsName })
			x := newScript(t)
			call := x.place(w.ua("udp", "1001"), "9000")
			x.await(call, c.want)
			if c.want != 200 {
				if len(s.came) != 0 {
					t.Errorf("it is told %q", <-s.came)
				}
				until(t, "the reason is told", func() bool {
					st := w.server.TrunkStates("9000")[0]
					return st.Down && st.Err != nil && strings.Contains(st.Err.Error(), "x509: ") && st.Way.Addr.IsValid()
				})
				return
			}
			if config != nil {
				if name := patience.Receive(t, "a handshake", s.shown); name != "sip.cluster.test" {
					t.Errorf("it is shown the certificate of %q", name)
				}
			}
			x.ok(call.Ack())
			x.do(call, "BYE", 200)
			for _, want := range []string{"INVITE sip:9000@" + s.addr, "ACK sip:carrier@10.9.8.7:5060", "BYE sip:carrier@10.9.8.7:5060"} {
				if line := patience.Receive(t, "a request", s.came); !strings.HasPrefix(line, want+" ") {
					t.Errorf("%s, want %s", line, want)
				}
			}
		})
	}
}

// TestCarrier_IsConnectedToFromTheNodesAddress, by which it may know who calls.
func TestCarrier_IsConnectedToFromTheNodesAddress(t *testing.T) {
	s := newCarrierServer(t, nil, "486 Busy Here")
	w := callWorld(t, func(c *Config) { c.TCP = "127.0.0.7:0" }, "1001")
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
		Address: s.addr, Transport: configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, Prefix: "+",
	}})
	x := newScript(t)
	x.await(x.place(w.ua("udp", "1001"), "9000"), 486)
	if from := patience.Receive(t, "a connection", s.from); from != "127.0.0.7" {
		t.Errorf("it comes from %s", from)
	}
}

// TestCarrier_TheNextAddressIsTried, when there is no way to one, it says that the trouble
// is its own, or nothing; what the called party says is the last word. What did not answer
// is down, and says so, until it is there again.
func TestCarrier_TheNextAddressIsTried(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	for _, c := range []struct {
		first string // what it answers; "-" when nobody is there
		want  int
		next  bool
		down  bool
	}{
		{"503 Service Unavailable", 200, true, false}, {"500 Server Internal Error", 200, true, false}, {"408 Request Timeout", 200, true, false},
		{"404 Not Found", 404, false, false}, {"486 Busy Here", 486, false, false}, {"603 Decline", 603, false, false},
		{"-", 200, true, true}, {"", 200, true, true},
	} {
		t.Run(c.first, func(t *testing.T) {
			first, second := nobody, newCarrierServer(t, nil, "200 OK")
			if c.first != "-" {
				first = newCarrierServer(t, nil, c.first).addr
			}
			w := carrierWorld(t, nil, func(k *configpb.Trunk) {
				k.Address, k.MoreAddresses, k.Transport = first, []string{second.addr}, configpb.TrunkTransport_TRUNK_TRANSPORT_TCP
			})
			x := newScript(t)
			call := x.place(w.ua("udp", "1001"), "9000")
			x.await(call, c.want)
			if o := patience.Receive(t, "the outcome", w.outcomes); o.Retry {
				t.Errorf("it is tried elsewhere: %+v", o)
			}
			if c.want == 200 {
				x.ok(call.Ack())
				x.do(call, "BYE", 200)
			}
			if next := len(second.came) > 0; next != c.next {
				t.Errorf("the second address is tried: %v", next)
			}
			states := w.server.TrunkStates("9000")
			if len(states) != 2 || states[0].Down != c.down || states[1].Down {
				t.Errorf("%+v", states)
			}
		})
	}
}

// TestCarrier_ClosesTheConnectionBehindARequest: it goes by another one, once; what the
// first one was told does not matter.
func TestCarrier_ClosesTheConnectionBehindARequest(t *testing.T) {
	for _, c := range []struct {
		name, method, status string
		times                int // it closes
		invite, bye, came    int // answers, and how often the request comes
	}{
		{"", "INVITE", "", 1, 200, 200, 2},
		{"always", "INVITE", "", 9, 503, 0, 2},
		{"ringing", "INVITE", "180 Ringing", 1, 200, 200, 2},
		{"", "BYE", "", 1, 200, 200, 2},
		{"always", "BYE", "", 9, 200, 200, 2},
		{"", "INFO", "", 1, 200, 200, 2},
		{"TLS", "INVITE", "", 1, 200, 200, 2},
		{"TLS", "BYE", "", 1, 200, 200, 2},
	} {
		t.Run(c.method+c.name, func(t *testing.T) {
			ca := newAuthority(t)
			transport, config := configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, (*tls.Config)(nil)
			if c.name == "TLS" {
				transport = configpb.TrunkTransport_TRUNK_TRANSPORT_TLS
				config = &tls.Config{Certificates: []tls.Certificate{ca.of("sbc.carrier.test", time.Now().Add(time.Hour))}}
			}
			carrier := newCarrierServer(t, config, "200 OK")
			var came atomic.Int32
			cut := func(line string) (string, bool) {
				return c.status, strings.HasPrefix(line, c.method) && int(came.Add(1)) <= c.times
			}
			carrier.cut.Store(&cut)
			w := carrierWorld(t, ca, func(k *configpb.Trunk) {
				k.Address, k.Transport, k.TlsName = carrier.addr, transport, "sbc.carrier.test"
			})
			x := newScript(t)
			call := x.place(w.ua("udp", "1001"), "9000")
			x.await(call, c.invite)
			if c.invite == 200 {
				x.ok(call.Ack())
				if c.method == "INFO" {
					x.do(call, "INFO", 200)
				}
				x.do(call, "BYE", c.bye)
			}
			if n := int(came.Load()); n != c.came {
				t.Errorf("the %s came %d times, not %d", c.method, n, c.came)
			}
		})
	}
}

// TestCarrier_AnAddressIsLeftAlone that said 503 with Retry-After, though another one takes its
// calls; when all want that, the caller hears how long the first of them does.
func TestCarrier_AnAddressIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name, first, second string
		want                int
		after               time.Duration
		times               int // that the first address is called by two calls
	}{
		{"the other one takes calls", "503 No\r\nRetry-After: 120 (soon);duration=9", "200 OK", 200, 0, 1},
		{"all want it", "503 No\r\nRetry-After: 60", "503 No\r\nRetry-After: 120", 503, time.Minute, 1},
		{"without a time", "503 No\r\nRetry-After: soon", "200 OK", 200, 0, 2},
		{"another word", "500 No\r\nRetry-After: 120", "200 OK", 200, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, second := newCarrierServer(t, nil, c.first), newCarrierServer(t, nil, c.second)
			w := carrierWorld(t, nil, func(k *configpb.Trunk) {
				k.Address, k.MoreAddresses, k.Transport = first.addr, []string{second.addr}, configpb.TrunkTransport_TRUNK_TRANSPORT_TCP
			})
			x, a := newScript(t), w.ua("udp", "1001")
			for range 2 {
				call := x.place(a, "9000")
				if x.await(call, c.want); c.want == 200 {
					x.ok(call.Ack())
					x.do(call, "BYE", 200)
				}
				if o := patience.Receive(t, "the outcome", w.outcomes); o.RetryAfter > c.after || o.RetryAfter < c.after-patience.Limit {
					t.Errorf("it wants to be left alone for %v, want %v", o.RetryAfter, c.after)
				}
			}
			called := 0
			for len(first.came) > 0 {
				if strings.HasPrefix(<-first.came, "INVITE ") {
					called++
				}
			}
			if called != c.times {
				t.Errorf("the first address is called %d times, want %d", called, c.times)
			}
		})
	}
}

// TestCarrier_WhatIsLongGoesByTCP to an address whose transport nobody has said, with all
// of its call, and by UDP where no connection comes about: then for the next calls at once.
func TestCarrier_WhatIsLongGoesByTCP(t *testing.T) {
	udp := configpb.TrunkTransport_TRUNK_TRANSPORT_UDP
	for _, c := range []struct {
		name      string
		long      bool
		listens   bool
		transport configpb.TrunkTransport
		stream    bool
	}{
		{"long", true, true, 0, true},
		{"short", false, true, 0, false},
		{"nobody takes connections", true, false, 0, false},
		{"long, and UDP is configured", true, true, udp, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := callWorld(t, nil, "1001")
			gw, l := w.gatewayWithTCP("9000")
			var came chan string
			if c.listens {
				came = serveCarrier(t, l, nil, "200 OK").came
			} else {
				l.Close()
			}
			w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: gw.Addr(), Prefix: "+", Transport: c.transport}})
			x, a, headers := newScript(t), w.ua("udp", "1001"), []string{}
			if c.long {
				headers = append(headers, "Subject: "+strings.Repeat("x", 1300))
			}
			for range 2 {
				call := x.place(a, "9000", headers...)
				if !c.stream {
					x.ok(x.take(gw).Answer())
				}
				x.await(call, 200)
				x.ok(call.Ack())
				if c.stream {
					x.do(call, "BYE", 200)
				}
			}
			for range map[bool]int{true: 2}[c.stream] {
				for _, want := range []string{"INVITE", "ACK", "BYE"} {
					if line := patience.Receive(t, "a request", came); !strings.HasPrefix(line, want) {
						t.Errorf("%s, want %s", line, want)
					}
				}
			}
			if len(came) > 0 {
				t.Errorf("by TCP comes %q", <-came)
			}
			if states := w.server.TrunkStates("9000"); len(states) != 1 || states[0].Down {
				t.Errorf("%+v", states)
			}
		})
	}
}

// gatewayWithTCP is a trunk over UDP, with a listener at the same port.
func (w *world) gatewayWithTCP(number string) (*siptest.UA, net.Listener) {
	w.t.Helper()
	for range 16 { // somebody else may have the port
		gw := w.gateway(number, "+")
		if l, err := net.Listen("tcp", gw.Addr()); err == nil {
			w.t.Cleanup(func() { l.Close() })
			return gw, l
		}
	}
	w.t.Fatal("no port is free for TCP and UDP")
	return nil, nil
}

// TestCarrier_SaysWhetherItIsReached: a trunk none of whose addresses answers is out of
// service, and back by the first answer; meanwhile no call is tried there.
func TestCarrier_SaysWhetherItIsReached(t *testing.T) {
	w := callWorld(t, nil, "1001")
	s := newScript(t)
	gw := w.gateway("9000", "+")
	var silent atomic.Bool
	silent.Store(true)
	gw.OnRequest(func(m *siptest.Message) bool {
		return silent.Load() || gw.Respond(m, 200, "OK", "t") == nil
	})
	w.options(&configpb.Options{Realm: testRealm, TrunkOptionsS: proto.Uint32(1)})
	until(t, "the trunk is out of service", func() bool {
		st, known := w.table.Get("9000")
		return known && st.State == dn.OOS && st.Reason == dn.Unresponsive && st.Owner == ""
	})
	s.await(s.place(w.ua("udp", "1001"), "9000"), 503)
	if o := patience.Receive(t, "the outcome", w.outcomes); !o.Retry {
		t.Errorf("%+v", o)
	}
	if own, _ := w.table.Own("9000"); !own.Gone {
		t.Errorf("other nodes are told %+v", own)
	}
	silent.Store(false)
	until(t, "the trunk is back", func() bool { st, _ := w.table.Get("9000"); return st.State == dn.InSrv })
	if states := w.server.TrunkStates("9000"); len(states) != 1 || states[0].Down {
		t.Errorf("%+v", states)
	}
}

// write writes a certificate of a name, and its key.
func (a *authority) write(certFile, keyFile, name string) {
	a.t.Helper()
	pair := a.of(name, time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		err = errors.Join(err, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	if err != nil {
		a.t.Fatal(err)
	}
}
