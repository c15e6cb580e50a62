package access

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/internal/wake"
)

// Config of a Guard. View and Watch are required.
type Config struct {
	// View returns the configuration as applied here, Watch tells when it changes.
	View  func() *fsm.View
	Watch func() *fsm.Watcher
	// Denied tells of a token that this node refuses by itself; nil for none.
	Denied func(id string) bool
	Events *security.Events
	Log    *slog.Logger
}

// Guard stands in front of the ports for clients of a cluster that asks who they are.
type Guard struct {
	cfg     Config
	slow    slow
	uses    uses
	streams streams
	// changed wakes Run when something was denied here.
	changed wake.Signal
}

// New makes a Guard; it starts nothing.
func New(c Config) *Guard {
	if c.Denied == nil {
		c.Denied = func(string) bool { return false }
	}
	return &Guard{cfg: c, changed: wake.New(), streams: streams{open: map[*stream]struct{}{}}}
}

// Deny has the Guard look again at what is open, after Denied has changed.
func (g *Guard) Deny() { g.changed.Send() }

var (
	errNothing = status.Error(codes.Unauthenticated, "this node asks who you are: give a token (sipcluster login)")
	errWrong   = status.Error(codes.Unauthenticated, "the token is not known here, was revoked, or has expired")
)

// admit returns who calls a method, when it may; nil for a method that is open.
func (g *Guard) admit(ctx context.Context, method string) (*Who, error) {
	if methods[method].open {
		return nil, nil
	}
	who, err := g.authenticate(ctx, showing(ctx))
	if err != nil {
		return nil, err
	}
	if !Allows(who.Role, method) {
		g.cfg.Events.Event(security.AuthFailed, "why", "role", "token", who.ID, "role", configpb.RoleName(who.Role), "method", method, "source", who.shown.Source)
		return nil, status.Errorf(codes.PermissionDenied, "role %s may not call %s", configpb.RoleName(who.Role), method[strings.LastIndex(method, "/")+1:])
	}
	if g.uses.again(who.ID+method, time.Now()) {
		g.cfg.Events.Event(security.TokenUsed, "token", who.ID, "name", who.Name, "role", configpb.RoleName(who.Role), "method", method, "source", who.shown.Source)
	}
	return who, nil
}

// authenticate is Judge for requests: who is wrong is told of, and waits when he is
// so again and again. What is right waits for nothing.
func (g *Guard) authenticate(ctx context.Context, s Shown) (*Who, error) {
	who, err := g.Judge(s)
	if err != nil {
		g.cfg.Events.Event(security.AuthFailed, "why", reasonOf(err), "source", s.Source)
		g.slow.failed(ctx, Network(s.Source))
	}
	return who, err
}

// reasonOf is a word for the log.
func reasonOf(err error) string {
	if err == errNothing { //nolint:errorlint // it is that value
		return "nothing shown"
	}
	return "token"
}

// Judge returns who somebody is by what he shows, here and now. The error is a gRPC
// status. A token is looked for first; a wrong one is not made good by a certificate.
func (g *Guard) Judge(s Shown) (*Who, error) {
	var t *configpb.Token
	switch {
	case s.Token != "":
		given, err := credential.ParseToken(s.Token)
		if err != nil {
			return nil, errWrong
		}
		t = g.cfg.View().Token(given.ID)
		if subtle.ConstantTimeCompare([]byte(given.SHA256()), []byte(t.GetSecretSha256())) == 0 {
			return nil, errWrong
		}
	case s.Certificate != "":
		t = g.cfg.View().TokenOf(s.Certificate)
	default:
		return nil, errNothing
	}
	if !fsm.ValidAt(t, time.Now()) || g.cfg.Denied(t.GetId()) {
		return nil, errWrong
	}
	return &Who{ID: t.GetId(), Name: t.GetName(), Role: t.GetRole(), Scope: t.GetScope(), shown: s}, nil
}

// showing is what a request shows: its token, and the certificate of its connection.
func showing(ctx context.Context) Shown {
	s := Shown{Source: Source(ctx)}
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
			s.Certificate = credential.Fingerprint(info.State.PeerCertificates[0].Raw)
		}
	}
	if values := metadata.ValueFromIncomingContext(ctx, credential.Header); len(values) == 1 {
		if token, ok := strings.CutPrefix(values[0], credential.Bearer); ok {
			s.Token = token
		}
	}
	return s
}
