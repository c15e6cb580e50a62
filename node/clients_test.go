package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// everyMethodHasARow: what is served at a port for clients and is in no row of the
// table of permissions would be refused to everybody.
func everyMethodHasARow(t *testing.T, all []*member) {
	for _, p := range all[0].clients {
		services := p.server.GetServiceInfo()
		if len(services) < 3 {
			t.Errorf("only %v are served", slices.Collect(maps.Keys(services)))
		}
		for service, info := range services {
			for _, m := range info.Methods {
				if method := "/" + service + "/" + m.Name; !access.Known(method) {
					t.Errorf("%s is served, and api/access has no row for it", method)
				}
			}
		}
	}
}

// as is a connection of a token's to the member.
func (m *member) as(t *testing.T, first *member, token string, own ...tls.Certificate) *grpc.ClientConn {
	t.Helper()
	c := adminContext(t, first)
	conn, err := grpc.NewClient("passthrough:///"+m.cfg.TCAddr, credential.DialOptions(credential.TLS(c.Authorities, own...), token)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// revokedEverywhere: what a token is used for ends at every node.
func revokedEverywhere(t *testing.T, all []*member) {
	a := all[0]
	tokens := configpb.NewAccessClient(a.admin(t, a))
	var made *configpb.CreateTokenResponse
	written(t, func() (err error) {
		made, err = tokens.CreateToken(t.Context(), &configpb.CreateTokenRequest{Name: "stat", Role: configpb.Role_ROLE_STAT})
		return err
	})
	ended := make(chan error, len(all))
	for _, m := range all {
		conn := m.as(t, a, made.GetSecret())
		await(t, m.cfg.Name+" knows the token", func() bool {
			_, err := tcpb.NewClusterClient(conn).Status(t.Context(), &tcpb.StatusRequest{})
			return err == nil
		})
		stream, err := tcpb.NewAvailabilityClient(conn).Watch(t.Context(), &tcpb.WatchRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for err == nil {
				_, err = stream.Recv()
			}
			ended <- err
		}()
	}
	if _, err := tokens.RevokeToken(t.Context(), &configpb.RevokeTokenRequest{Id: made.GetToken().GetId()}); err != nil {
		t.Fatal(err)
	}
	for range all {
		if err := patience.Receive(t, "the end of the watch", ended); status.Code(err) != codes.Unauthenticated {
			t.Errorf("it ended by %v", err)
		}
	}
}

// byCertificate: a registered client certificate is as good as a token; a change by
// it is taken by the leader alone, and others say where that is. One that a node's
// authority signed and that is not registered is nobody's.
func byCertificate(t *testing.T, all []*member) {
	a := all[0]
	own := clientCertificate(t)
	tokens := configpb.NewAccessClient(a.admin(t, a))
	written(t, func() error {
		_, err := tokens.CreateToken(t.Context(), &configpb.CreateTokenRequest{Name: "cert", Role: configpb.Role_ROLE_CONFIG, Certificate: own.Certificate[0]})
		return err
	})
	put := &configpb.WriteRequest{Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "bycert"}}}}}
	taken, term := 0, a.group.Status().Term
	for _, m := range all {
		await(t, "what is asked for at "+m.cfg.Name, func() bool {
			_, err := configpb.NewConfigurationClient(m.as(t, a, "", own)).Write(t.Context(), put)
			info, _ := outcome.Said(err)
			switch {
			case err == nil:
				taken++
				return true
			case info.Leader == "" && status.Code(err) != codes.Unauthenticated && status.Code(err) != codes.Unavailable: // it knows the certificate, and who leads, soon
				t.Errorf("%s: %v", m.cfg.Name, err)
				return true
			}
			return info.Leader != "" && status.Code(err) == codes.FailedPrecondition
		})
		stranger := *m.who.Certificate()
		if _, err := configpb.NewConfigurationClient(m.as(t, a, "", stranger)).Write(t.Context(), put); status.Code(err) != codes.Unauthenticated {
			t.Errorf("a node's own certificate at %s: %v", m.cfg.Name, err)
		}
	}
	if taken != 1 && a.group.Status().Term == term {
		t.Errorf("%d nodes took the change, want the leader alone", taken)
	}
}

func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}
