package access_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// certificate signs a certificate with the authority's key, or makes an authority
// when it has none.
func certificate(t *testing.T, uri string, by *tls.Certificate) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	if uri != "" {
		u, _ := url.Parse(uri)
		template.URIs = []*url.URL{u}
	}
	parent, key := template, private
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, key = by.Leaf, by.PrivateKey.(ed25519.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
	if by != nil {
		c.Certificate = append(c.Certificate, by.Certificate...)
	}
	return c
}

// door is a port with a Guard in front of it.
type door struct {
	configpb.UnimplementedAccessServer
	peerpb.UnimplementedConsensusServer
	t         *testing.T
	machine   *fsm.Machine
	guard     *access.Guard
	events    *security.Events
	authority tls.Certificate
	addr      string

	mu     sync.Mutex
	denied map[string]bool
	// ended are the streams' handlers that returned.
	ended chan struct{}
}

func newDoor(t *testing.T) *door {
	t.Helper()
	leftover.Check(t)
	d := &door{t: t, machine: configuration(t), events: security.New(slog.New(slog.DiscardHandler)), denied: map[string]bool{}, ended: make(chan struct{}, 100)}
	d.guard = access.New(access.Config{View: d.machine.View, Watch: d.machine.Watch, Events: d.events, Denied: func(id string) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.denied[id]
	}})
	d.authority = certificate(t, "", nil)
	own := certificate(t, "spiffe://c/node/a", &d.authority)
	s := grpc.NewServer(append(d.guard.ServerOptions(), grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13})))...)
	configpb.RegisterAccessServer(s, d)
	peerpb.RegisterConsensusServer(s, d)
	healthpb.RegisterHealthServer(s, health.NewServer())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Serve(ln) })
	running.Go(func() { _ = d.guard.Run(ctx) })
	t.Cleanup(func() { s.Stop(); cancel(); running.Wait() })
	return d
}

// WhoAmI answers who the Guard says that it is.
func (d *door) WhoAmI(ctx context.Context, _ *configpb.WhoAmIRequest) (*configpb.WhoAmIResponse, error) {
	return &configpb.WhoAmIResponse{Token: &configpb.Token{Id: access.From(ctx).Token()}}, nil
}

// Audit says something, then nothing; with follow it says all that fits.
func (d *door) Audit(r *configpb.AuditRequest, out configpb.Access_AuditServer) error {
	defer func() { d.ended <- struct{}{} }()
	big := &configpb.AuditResponse{Entries: []*configpb.AuditEntry{{Refused: string(make([]byte, 64<<10))}}}
	for {
		if err := out.Send(big); err != nil {
			return err
		}
		if !r.GetFollow() {
			<-out.Context().Done()
			return out.Context().Err()
		}
	}
}

// token gives somebody a role, for as long as lives (0: for ever).
func (d *door) token(role configpb.Role, lives time.Duration, change func(*configpb.Token)) (credential.Token, *configpb.Token) {
	d.t.Helper()
	secret := credential.NewToken()
	t := &configpb.Token{Id: secret.ID, SecretSha256: secret.SHA256(), Name: "n", Role: role}
	if lives != 0 {
		t.ExpiresMs = uint64(time.Now().Add(lives).UnixMilli())
	}
	if change != nil {
		change(t)
	}
	d.put(t)
	return secret, t
}

func (d *door) put(t *configpb.Token) {
	d.t.Helper()
	write(d.t, d.machine, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutToken{PutToken: t}}}})
}

func (d *door) revoke(id string) {
	d.t.Helper()
	write(d.t, d.machine, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteToken{DeleteToken: id}}}})
}

func (d *door) dial(token string, own ...tls.Certificate) *grpc.ClientConn {
	d.t.Helper()
	config := credential.TLS([]string{credential.Fingerprint(d.authority.Certificate[0])}, own...)
	c, err := grpc.NewClient("passthrough:///"+d.addr, credential.DialOptions(config, token)...)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (d *door) counted(kind security.Kind) (n uint64) {
	d.events.Counts(func(k security.Kind, of uint64) {
		if k == kind {
			n = of
		}
	})
	return n
}

func TestGuard_WhoIsLetIn(t *testing.T) {
	d := newDoor(t)
	good, _ := d.token(configpb.Role_ROLE_METRICS, 0, nil)
	over, _ := d.token(configpb.Role_ROLE_ADMIN, -time.Second, nil)
	early, _ := d.token(configpb.Role_ROLE_ADMIN, 0, func(t *configpb.Token) { t.NotBeforeMs = uint64(time.Now().Add(time.Hour).UnixMilli()) })
	here, _ := d.token(configpb.Role_ROLE_ADMIN, 0, nil)
	gone, _ := d.token(configpb.Role_ROLE_STAT, 0, nil)
	d.revoke(gone.ID)
	d.denied[here.ID] = true
	other := credential.NewToken()
	mixed := other.String()[:4] + good.ID + other.String()[16:]
	known, stranger := certificate(t, "", nil), certificate(t, "spiffe://c/node/b", &d.authority)
	d.put(&configpb.Token{Id: "certificates", CertificateSha256: credential.Fingerprint(known.Certificate[0]), Name: "c", Role: configpb.Role_ROLE_STAT})
	for name, c := range map[string]struct {
		conn *grpc.ClientConn
		who  string
		code codes.Code
	}{
		"a token":                {d.dial(good.String()), good.ID, codes.OK},
		"nothing":                {d.dial(""), "", codes.Unauthenticated},
		"no token":               {d.dial("sct_what"), "", codes.Unauthenticated},
		"an unknown one":         {d.dial(other.String()), "", codes.Unauthenticated},
		"another secret":         {d.dial(mixed), "", codes.Unauthenticated},
		"expired":                {d.dial(over.String()), "", codes.Unauthenticated},
		"not valid yet":          {d.dial(early.String()), "", codes.Unauthenticated},
		"refused here":           {d.dial(here.String()), "", codes.Unauthenticated},
		"revoked":                {d.dial(gone.String()), "", codes.Unauthenticated},
		"a certificate":          {d.dial("", known), "certificates", codes.OK},
		"one of a node":          {d.dial("", stranger), "", codes.Unauthenticated},
		"a wrong token with it":  {d.dial(other.String(), known), "", codes.Unauthenticated},
		"a token and a stranger": {d.dial(good.String(), stranger), good.ID, codes.OK},
	} {
		who, err := configpb.NewAccessClient(c.conn).WhoAmI(t.Context(), &configpb.WhoAmIRequest{})
		if status.Code(err) != c.code || who.GetToken().GetId() != c.who {
			t.Errorf("%s: %v is %q", name, err, who.GetToken().GetId())
		}
		if _, err := healthpb.NewHealthClient(c.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("%s: its health is not told: %v", name, err)
		}
	}
	if n := d.counted(security.AuthFailed); n != 10 {
		t.Errorf("%d failures were counted, want 10", n)
	}
}

// TestGuard_WhatHasNoRowIsRefused, to an administrator too.
func TestGuard_WhatHasNoRowIsRefused(t *testing.T) {
	d := newDoor(t)
	secret, _ := d.token(configpb.Role_ROLE_ADMIN, 0, nil)
	low, _ := d.token(configpb.Role_ROLE_CONFIG, 0, nil)
	if _, err := peerpb.NewConsensusClient(d.dial(secret.String())).Propose(t.Context(), &peerpb.ProposeRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a method without a row: %v", err)
	}
	if _, err := configpb.NewAccessClient(d.dial(low.String())).ListTokens(t.Context(), &configpb.ListTokensRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a method of another role: %v", err)
	}
	if _, err := configpb.NewAccessClient(d.dial(secret.String())).ListTokens(t.Context(), &configpb.ListTokensRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method of its role: %v", err)
	}
}

// TestGuard_EndsStreams of those who may not go on, at once, and of nobody else: also
// of a client that reads nothing.
func TestGuard_EndsStreams(t *testing.T) {
	for name, end := range map[string]func(d *door, t *configpb.Token){
		"revoked": func(d *door, t *configpb.Token) { d.revoke(t.GetId()) },
		"another role": func(d *door, t *configpb.Token) {
			t.Role = configpb.Role_ROLE_STAT
			d.put(t)
		},
		"another scope": func(d *door, t *configpb.Token) {
			t.Scope = &configpb.Scope{Groups: []string{"sales"}}
			d.put(t)
		},
		"denied here": func(d *door, t *configpb.Token) {
			d.mu.Lock()
			d.denied[t.GetId()] = true
			d.mu.Unlock()
			d.guard.Deny()
		},
		"expired": func(d *door, t *configpb.Token) {
			t.ExpiresMs = uint64(time.Now().Add(50 * time.Millisecond).UnixMilli())
			d.put(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			secret, token := d.token(configpb.Role_ROLE_ADMIN, 0, nil)
			other, _ := d.token(configpb.Role_ROLE_ADMIN, 0, nil)
			quiet, err := configpb.NewAccessClient(d.dial(secret.String())).Audit(t.Context(), &configpb.AuditRequest{})
			if err == nil {
				_, err = quiet.Recv()
			}
			deaf, err2 := configpb.NewAccessClient(d.dial(secret.String())).Audit(t.Context(), &configpb.AuditRequest{Follow: true})
			if err2 == nil {
				_, err2 = deaf.Recv()
			}
			stays, err3 := configpb.NewAccessClient(d.dial(other.String())).Audit(t.Context(), &configpb.AuditRequest{})
			if err3 == nil {
				_, err3 = stays.Recv()
			}
			if err := errors.Join(err, err2, err3); err != nil {
				t.Fatal(err)
			}
			end(d, token)
			told := make(chan error, 1)
			go func() { _, err := quiet.Recv(); told <- err }()
			if err := patience.Receive(t, "the end of the stream", told); status.Code(err) != codes.Unauthenticated {
				t.Errorf("it ended by %v", err)
			}
			for range 2 {
				patience.Receive(t, "the end of both handlers", d.ended)
			}
			if _, err := configpb.NewAccessClient(d.dial(other.String())).WhoAmI(t.Context(), &configpb.WhoAmIRequest{}); err != nil {
				t.Errorf("another token: %v", err)
			}
			select {
			case <-d.ended:
				t.Error("the stream of another token ended")
			default:
			}
		})
	}
}

// TestGuard_EndsStreamsThatBeganLate: when their token expires, although nothing of tokens has
// changed since they began.
func TestGuard_EndsStreamsThatBeganLate(t *testing.T) {
	d := newDoor(t)
	secret, token := d.token(configpb.Role_ROLE_ADMIN, time.Second, nil)
	end := time.UnixMilli(int64(token.GetExpiresMs()))
	client := configpb.NewAccessClient(d.dial(secret.String()))
	if _, err := client.WhoAmI(t.Context(), &configpb.WhoAmIRequest{}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Audit(t.Context(), &configpb.AuditRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() { _, err := stream.Recv(); told <- err }()
	if err := patience.Receive(t, "the end of the stream", told); status.Code(err) != codes.Unauthenticated || time.Now().Before(end) {
		t.Errorf("it ended at %v by %v", time.Now(), err)
	}
	patience.Receive(t, "the end of the handler", d.ended)
}

// TestDial_ATokenNeverLeavesInTheClear, nor to who is not a node of the cluster.
func TestDial_ATokenNeverLeavesInTheClear(t *testing.T) {
	d := newDoor(t)
	secret, _ := d.token(configpb.Role_ROLE_ADMIN, 0, nil)
	other := certificate(t, "", nil)
	for name, pins := range map[string][]string{"another authority": {credential.Fingerprint(other.Certificate[0])}, "none": nil} {
		c, err := grpc.NewClient("passthrough:///"+d.addr, credential.DialOptions(credential.TLS(pins), secret.String())...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := configpb.NewAccessClient(c).WhoAmI(t.Context(), &configpb.WhoAmIRequest{}); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.Close()
	}
	chain := func(cs ...tls.Certificate) (all []*x509.Certificate) {
		for _, c := range cs {
			all = append(all, c.Leaf)
		}
		return all
	}
	pin := []string{credential.Fingerprint(d.authority.Certificate[0])}
	node, client := certificate(t, "spiffe://c/node/a", &d.authority), certificate(t, "", &d.authority)
	forged := certificate(t, "spiffe://c/node/a", &other)
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		ok    bool
	}{
		"a node": {chain(node, d.authority), true}, "no authority": {chain(node), false}, "nothing": {nil, false},
		"not a node": {chain(client, d.authority), false}, "signed by another": {chain(forged, d.authority), false},
		"the authority itself": {chain(d.authority, d.authority), false}, "two authorities": {chain(node, other, d.authority), true},
	} {
		if err := credential.Verify(c.chain, pin); (err == nil) != c.ok || err != nil && !errors.Is(err, credential.ErrAuthority) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToken_IsReadAsItWasGivenOut(t *testing.T) {
	k := credential.NewToken()
	if back, err := credential.ParseToken(k.String()); err != nil || back != k || back.SHA256() != k.SHA256() {
		t.Errorf("%v: %v", err, back.ID)
	}
	if credential.NewToken().SHA256() == k.SHA256() {
		t.Error("two tokens have one secret")
	}
	for _, s := range []string{"", "sct_", k.String()[1:], k.String() + "A", k.String()[:len(k.String())-1], "sct_ABCDEFGHIJKL" + k.String()[16:], k.String()[:len(k.String())-1] + "="} {
		if _, err := credential.ParseToken(s); !errors.Is(err, credential.ErrToken) {
			t.Errorf("%d characters are a token", len(s))
		}
	}
}
