package api

import (
	"context"
	"crypto/x509"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
)

// errUnasked is for what makes no sense where nobody is asked who he is.
var errUnasked = status.Error(codes.FailedPrecondition, "this cluster was made with --insecure: it asks nobody for a token")

// CreateToken makes a token; its secret is answered once.
func (a *Access) CreateToken(ctx context.Context, r *configpb.CreateTokenRequest) (*configpb.CreateTokenResponse, error) {
	if a.cfg.View().Security() == nil {
		return nil, errUnasked
	}
	t := &configpb.Token{Name: r.GetName(), Role: r.GetRole(), Scope: r.GetScope()}
	if s := r.GetLifetimeS(); s > 0 {
		t.ExpiresMs = uint64(time.Now().Add(time.Duration(s) * time.Second).UnixMilli())
	}
	secret := ""
	if der := r.GetCertificate(); len(der) > 0 {
		if _, err := x509.ParseCertificate(der); err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "certificate: %v", err)
		}
		t.Id, t.CertificateSha256 = credential.NewID(), credential.Fingerprint(der)
	} else {
		made := credential.NewToken()
		t.Id, t.SecretSha256, secret = made.ID, made.SHA256(), made.String()
	}
	m := &configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: t}, IfRevision: proto.Uint64(0)}
	if _, err := a.cfg.Writer.Propose(ctx, command([]*configpb.Mutation{m})); err != nil {
		return nil, StatusError(err)
	}
	return &configpb.CreateTokenResponse{Token: withoutHashes(t), Secret: secret}, nil
}

// withoutHashes returns t as it may be shown.
func withoutHashes(t *configpb.Token) *configpb.Token {
	t = proto.CloneOf(t)
	t.SecretSha256, t.CertificateSha256 = "", ""
	return t
}

// RevokeToken ends a token, everywhere or here.
func (a *Access) RevokeToken(ctx context.Context, r *configpb.RevokeTokenRequest) (*configpb.RevokeTokenResponse, error) {
	if a.cfg.View().Token(r.GetId()) == nil {
		return nil, status.Errorf(codes.NotFound, "no token has the id %.40q", r.GetId())
	}
	if r.GetHere() {
		if err := a.cfg.DenyToken(ctx, r.GetId()); err != nil {
			return nil, status.Errorf(codes.Unavailable, "the token is refused here until this node restarts: %v", err)
		}
		return &configpb.RevokeTokenResponse{}, nil
	}
	m := &configpb.Mutation{Op: &configpb.Mutation_DeleteToken{DeleteToken: r.GetId()}}
	if _, err := a.cfg.Writer.Propose(ctx, command([]*configpb.Mutation{m})); err != nil {
		return nil, StatusError(err)
	}
	return &configpb.RevokeTokenResponse{}, nil
}

// ListTokens lists them, ordered by name.
func (a *Access) ListTokens(context.Context, *configpb.ListTokensRequest) (*configpb.ListTokensResponse, error) {
	answer := &configpb.ListTokensResponse{}
	for _, t := range a.cfg.View().Tokens() {
		answer.Tokens = append(answer.Tokens, withoutHashes(t))
	}
	return answer, nil
}

// WhoAmI tells a client who it is here.
func (a *Access) WhoAmI(ctx context.Context, _ *configpb.WhoAmIRequest) (*configpb.WhoAmIResponse, error) {
	view := a.cfg.View()
	answer := &configpb.WhoAmIResponse{ClusterId: view.Epoch()}
	if t := view.Token(access.From(ctx).Token()); t != nil {
		answer.Token = withoutHashes(t)
	}
	return answer, nil
}
