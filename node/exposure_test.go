package node

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/node/identity"
)

// attacker calls methods that he may not.
type attacker struct {
	who     string
	role    configpb.Role // unspecified: nobody
	options []grpc.DialOption
	refused []codes.Code
}

// everyMethodRefused: each method there is, at each port, to everybody who may not call it.
func everyMethodRefused(t *testing.T, all []*member) {
	a, b := all[0], all[1]
	for _, x := range strangersToClients(t, a, b) {
		for _, p := range b.clients {
			services := p.server.GetServiceInfo()
			x.tries(t, "clients'", p.in.Addr().String(), func(method string) bool {
				_, served := services[method[1:strings.LastIndex(method, "/")]]
				return served && !access.Allows(x.role, method)
			})
		}
	}
	own := clientCertificate(t)
	everything := func(string) bool { return true }
	for _, protocol := range []string{identity.GRPC, identity.Raft, identity.SIP, identity.Join, "h2"} {
		refused := []codes.Code{codes.Unavailable}
		if protocol == identity.Join {
			refused = []codes.Code{codes.Unimplemented, codes.PermissionDenied, codes.InvalidArgument}
		}
		settings := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}, Certificates: []tls.Certificate{own}}
		x := attacker{who: "a stranger by " + protocol, refused: refused, options: []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(settings))}}
		x.tries(t, "cluster", b.cfg.ClusterAddr, everything)
	}
	x := attacker{who: "in the clear", refused: []codes.Code{codes.Unavailable}, options: []grpc.DialOption{grpc.WithTransportCredentials(insecureCredentials)}}
	x.tries(t, "cluster", b.cfg.ClusterAddr, everything)
	preamblesRefused(t, b, own)
}

func strangersToClients(t *testing.T, a, b *member) []attacker {
	t.Helper()
	c := adminContext(t, a)
	as := func(token string, own ...tls.Certificate) []grpc.DialOption {
		return credential.DialOptions(credential.TLS(c.Authorities, own...), token)
	}
	nobody := []codes.Code{codes.Unauthenticated, codes.ResourceExhausted}
	xs := []attacker{
		{"in the clear", 0, []grpc.DialOption{grpc.WithTransportCredentials(insecureCredentials)}, []codes.Code{codes.Unavailable}},
		{"without a token", 0, as(""), nobody},
		{"with a token of no cluster", 0, as("sct_abcdefghij01_" + strings.Repeat("A", 43)), nobody},
		{"with the administrator's token, the end changed", 0, as(c.Token[:len(c.Token)-4] + "AAAA"), nobody},
		{"with a certificate that he signed", 0, as("", clientCertificate(t)), nobody},
		{"with the certificate of a node", 0, as("", *b.who.Certificate()), nobody},
	}
	tokens := configpb.NewAccessClient(a.admin(t, a))
	for number, name := range configpb.Role_name {
		role := configpb.Role(number)
		if role == configpb.Role_ROLE_UNSPECIFIED || role == configpb.Role_ROLE_ADMIN {
			continue
		}
		var made *configpb.CreateTokenResponse
		written(t, func() (err error) {
			made, err = tokens.CreateToken(t.Context(), &configpb.CreateTokenRequest{Name: "low", Role: role})
			return err
		})
		await(t, "the token is known", func() bool { return b.machine.View().Token(made.GetToken().GetId()) != nil })
		xs = append(xs, attacker{name, role, as(made.GetSecret()), []codes.Code{codes.PermissionDenied}})
	}
	return xs
}

// tries calls every method of every service that this program knows.
func (x attacker) tries(t *testing.T, port, addr string, mayNot func(method string) bool) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, x.options...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, method := range methodsKnown() {
		if !mayNot(method) {
			continue
		}
		wg.Go(func() {
			got := status.Code(callEmpty(ctx, conn, method))
			for _, want := range x.refused {
				if got == want {
					return
				}
			}
			t.Errorf("%s, %s port: %s: %v, want %v", x.who, port, method, got, x.refused)
		})
	}
}

func methodsKnown() (all []string) {
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

// What connections between nodes begin with.
const (
	grpcPreamble = "PRI * HT"
	raftPreamble = "sipcRAFT"
	sipPreamble  = "sipcSIP\x00"
)

func talk(t *testing.T, c net.Conn, say string) string {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(soon))
	_, _ = c.Write([]byte(say))
	got, _ := io.ReadAll(c)
	return string(got)
}

// preamblesRefused: Raft and SIP between nodes, in the clear and by a key of no node.
func preamblesRefused(t *testing.T, m *member, own tls.Certificate) {
	t.Helper()
	for protocol, preamble := range map[string]string{identity.Raft: raftPreamble, identity.SIP: sipPreamble} {
		for _, secured := range []bool{false, true} {
			conn, err := net.Dial("tcp", m.cfg.ClusterAddr)
			if err != nil {
				t.Fatal(err)
			}
			if secured {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}, Certificates: []tls.Certificate{own}})
			}
			const alert = "\x15"
			if got := talk(t, conn, preamble+strings.Repeat("x", 64)); got != "" && (secured || !strings.HasPrefix(got, alert)) {
				t.Errorf("%s, TLS %v: it is answered %q", protocol, secured, got)
			}
		}
	}
}
