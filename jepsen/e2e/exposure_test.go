package e2e_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	_ "github.com/sipcluster/sipcluster/node/peerpb"
)

// Ports of phones that TestSecured's nodes have besides; secureArgs make them.
const tlsPort, wsPort = 5061, 5066

func secureArgs(t *testing.T) []string {
	t.Helper()
	cert, key, err := cluster.Certificate(t.TempDir())
	must(t, err)
	return []string{"--sip-tls-addr", fmt.Sprintf(":%d", tlsPort), "--sip-ws-addr", fmt.Sprintf(":%d", wsPort), "--sip-tls-cert", cert, "--sip-tls-key", key}
}

// listening are the ports of a node over TCP.
func listening(n *cluster.Node) map[string]netip.AddrPort {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(n.Addr(cluster.SIP).Addr(), port) }
	return map[string]netip.AddrPort{
		"default": n.Addr(cluster.DefaultPort), "tc": n.Addr(cluster.TCPort), "cluster": n.Addr(cluster.ClusterPort), "gossip": n.Addr(cluster.GossipPort),
		"http": n.Addr(cluster.HTTPPort), "sip": n.Addr(cluster.SIP), "sips": at(tlsPort), "ws": at(wsPort),
	}
}

// nothingExposed: whoever has neither key nor token, from another machine, at every port.
func nothingExposed(t *testing.T, c *cluster.Cluster) {
	n, from := c.Node(2), c.Visitor()
	everyPortIsKnown(t, n)
	own := strangersKey(t)
	alpn := func(protocols ...string) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, NextProtos: protocols, Certificates: []tls.Certificate{own}})
	}
	ways := map[string]credentials.TransportCredentials{
		"in the clear": insecure.NewCredentials(), "TLS": alpn(),
		"TLS without a certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
	}
	for _, p := range []string{"sipcluster-grpc", "sipcluster-raft", "sipcluster-sip", "sipcluster-join", "http/1.1"} {
		ways[p] = alpn(p)
	}
	tried := map[string]int{}
	for port, addr := range listening(n) {
		for way, how := range ways {
			if asked := everyMethod(t, from, port, addr, way, how); asked > 0 {
				tried[port+" by "+way] = asked
			}
		}
	}
	for _, served := range []string{"default by TLS", "tc by TLS", "cluster by sipcluster-join"} {
		if tried[served] < len(everyMethodKnown())/2 {
			t.Errorf("%s: %d methods were asked for: what is tested?", served, tried[served])
		}
	}
	t.Logf("methods asked for, of which nothing was given: %v", tried)
	nothingByHTTP(t, n, from)
	nothingByGossip(t, n, from)
	nothingBySIP(t, n, from)
}

// everyPortIsKnown: what the process listens at is in the list here, or this is no test of all.
func everyPortIsKnown(t *testing.T, n *cluster.Node) {
	t.Helper()
	out, err := n.Place().Exec(t.Context(), "ss", "-Hltn")
	if err != nil {
		t.Logf("which ports are open is not looked up: %v", err)
		return
	}
	known := listening(n)
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		at, err := netip.ParseAddrPort(strings.ReplaceAll(f[3], "*", "0.0.0.0"))
		if err != nil || at.Addr() != n.Place().IP() && !at.Addr().IsUnspecified() {
			continue
		}
		found := false
		for _, k := range known {
			found = found || k.Port() == at.Port()
		}
		if !found {
			t.Errorf("port %s is open, and nobody tries it here", at)
		}
	}
}

// strangersKey is a certificate that somebody signed himself.
func strangersKey(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// refusals are the answers by which nobody got anything.
var refusals = []codes.Code{codes.Unavailable, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.ResourceExhausted}

// everyMethod asks for every method that this program knows of, with an empty request, where
// somebody speaks gRPC at all.
func everyMethod(t *testing.T, from *cluster.Place, port string, addr netip.AddrPort, way string, how credentials.TransportCredentials) int {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr.String(), grpc.WithTransportCredentials(how),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return from.Dial(ctx, "tcp4", addr) }))
	must(t, err)
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
	defer cancel()
	if !speaks(ctx, conn) {
		return 0
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	count := 0
	for _, method := range everyMethodKnown() {
		if slices.Contains([]string{grpc_health_v1.Health_Check_FullMethodName, grpc_health_v1.Health_Watch_FullMethodName, grpc_health_v1.Health_List_FullMethodName}, method) {
			continue // open, and it says nothing
		}
		count++
		wg.Go(func() {
			err := callEmpty(ctx, conn, method)
			refused := slices.Contains(refusals, status.Code(err))
			if way == "sipcluster-join" { // the way in for who has an invite: it is served
				refused = refused || status.Code(err) == codes.InvalidArgument
			}
			if !refused {
				t.Errorf("port %s, %s: %s: %v", port, way, method, err)
			}
		})
	}
	return count
}

// speaks tells whether the other end answers the opening of HTTP/2.
func speaks(ctx context.Context, conn *grpc.ClientConn) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn.Connect()
	for {
		switch s := conn.GetState(); {
		case s == connectivity.Ready:
			return true
		case s == connectivity.TransientFailure, !conn.WaitForStateChange(ctx, s):
			return false
		}
	}
}

func everyMethodKnown() (all []string) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				all = append(all, "/"+string(s.FullName())+"/"+string(s.Methods().Get(j).Name()))
			}
		}
		return true
	})
	return all
}

// callEmpty sends an empty request and returns what the first answer is.
func callEmpty(ctx context.Context, conn *grpc.ClientConn, method string) error {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	_ = s.SendMsg(&emptypb.Empty{}) // the answer says why not
	_ = s.CloseSend()
	return s.RecvMsg(&emptypb.Empty{})
}

// nothingByHTTP: no page but those that say whether the node is well.
func nothingByHTTP(t *testing.T, n *cluster.Node, from *cluster.Place) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: from.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: time.Second}
	for port, addr := range listening(n) {
		for _, scheme := range []string{"http", "https"} {
			for _, path := range []string{"/", "/metrics", "/metrics/", "//metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/../../metrics", "/debug/vars", "/healthz/../metrics"} {
				res, err := client.Get(fmt.Sprintf("%s://%s%s", scheme, addr, path))
				if err != nil {
					break // nobody speaks it there
				}
				text, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.StatusCode < 400 && !(res.StatusCode/100 == 3 && len(text) < 200) || strings.Contains(string(text), "sipcluster_") {
					t.Errorf("port %s: %s %s: %s: %.100s", port, scheme, path, res.Status, text)
				}
			}
		}
	}
}

// nothingByGossip: what is not encrypted is not answered.
func nothingByGossip(t *testing.T, n *cluster.Node, from *cluster.Place) {
	t.Helper()
	const ping, pushPull, hasLabel = "\x00", "\x06", "\xf4"
	body := "\x82\xa5SeqNo\x01\xa4Node\xa2" + n.Name()
	for what, text := range map[string]string{
		"a ping": ping + body, "a state": pushPull + "\x83\xa5Nodes\x00\xacUserStateLen\x00\xa4Join\xc3", "a ping with a label": hasLabel + "\x01x" + ping + body,
	} {
		for _, network := range []string{"udp4", "tcp4"} {
			conn, err := from.Dial(t.Context(), network, n.Addr(cluster.GossipPort).String())
			must(t, err)
			_, _ = conn.Write([]byte(text))
			_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
			got, _ := io.ReadAll(io.LimitReader(conn, 1))
			_ = conn.Close()
			if len(got) > 0 {
				t.Errorf("gossip over %s answers %s", network, what)
			}
		}
	}
}

// nothingBySIP: each method, over each transport, to a DN and to what can be guessed; only
// OPTIONS to the node itself is answered.
func nothingBySIP(t *testing.T, n *cluster.Node, from *cluster.Place) {
	t.Helper()
	ph := phones(t, n, "7690")
	register(t, n, ph...)
	at := listening(n)
	tried := 0
	var wg sync.WaitGroup
	for network, addr := range map[string]netip.AddrPort{"udp": at["sip"], "tcp": at["sip"], "tls": at["sips"]} {
		for _, method := range []string{"REGISTER", "INVITE", "MESSAGE", "INFO", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "UPDATE", "PRACK", "BYE", "OPTIONS"} {
			for _, to := range []string{"7690", "7699", "+4989123456", "7690@elsewhere.invalid"} {
				user, host, elsewhere := strings.Cut(to, "@")
				if !elsewhere {
					host = addr.Addr().String()
				}
				for _, dialog := range []string{"", ";tag=guessed"} {
					tried++
					wg.Go(func() {
						got := askSIP(t, from, network, addr, method, fmt.Sprintf("sip:%s@%s", user, host), dialog)
						if got != "" && !strings.HasPrefix(got, "SIP/2.0 4") && !strings.HasPrefix(got, "SIP/2.0 5") {
							t.Errorf("%s by %s to %s%s: %s", method, network, to, dialog, got)
						}
					})
				}
			}
		}
	}
	wg.Wait()
	t.Logf("%d requests of SIP: nothing was given", tried)
}

// askSIP sends a request and returns the first line of the answer, but for 100; "" when
// there is none.
func askSIP(t *testing.T, from *cluster.Place, network string, addr netip.AddrPort, method, uri, dialog string) string {
	t.Helper()
	socket := "tcp4"
	if network == "udp" {
		socket = "udp4"
	}
	conn, err := from.Dial(t.Context(), socket, addr.String())
	if err != nil {
		t.Error(err)
		return ""
	}
	if network == "tls" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(soon))
	text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:7690@%s>;tag=x\r\nTo: <%s>%s\r\nCall-ID: %s\r\nCSeq: 1 %s\r\n"+
		"Contact: <sip:x@%s>\r\nEvent: presence\r\nRefer-To: <sip:x@elsewhere.invalid>\r\nRAck: 1 1 INVITE\r\nContent-Length: 0\r\n\r\n",
		method, uri, strings.ToUpper(network), conn.LocalAddr(), rand.Text(), addr.Addr(), uri, dialog, rand.Text(), method, conn.LocalAddr())
	if _, err := conn.Write([]byte(text)); err != nil {
		return ""
	}
	buf := make([]byte, 65536)
	for {
		got, err := conn.Read(buf)
		if err != nil {
			return ""
		}
		if line, _, _ := strings.Cut(string(buf[:got]), "\r\n"); line != "SIP/2.0 100 Trying" {
			return line
		}
	}
}
