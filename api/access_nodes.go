package api

import (
	"context"
	"encoding/pem"
	"time"

	"crypto/x509"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/identity"
)

// NodeKeys are a node's own key, and what it knows of the others'.
type NodeKeys interface {
	// Rekey makes the node's next key and returns its fingerprint.
	Rekey() (string, error)
	// Distrust has this node refuse another one at once.
	Distrust(ctx context.Context, n *configpb.Node) error
	// Certificates are those of all nodes, as far as they answer.
	Certificates(ctx context.Context) []*configpb.NodeCertificate
	// NextAuthority is a new one, sealed.
	NextAuthority() (*configpb.Authority, error)
	// NextKey is a new key for a ring.
	NextKey(r *configpb.Keyring) *configpb.Key
}

// inviteLife is that of an invite when nothing is said.
const inviteLife = 24 * time.Hour

// errNoKeys is for what makes no sense where nodes have no keys.
var errNoKeys = status.Error(codes.FailedPrecondition, "the nodes of this cluster have no keys of their own: a node joins it without an invite")

// CreateInvite makes the line by which a node joins.
func (a *Access) CreateInvite(ctx context.Context, r *configpb.CreateInviteRequest) (*configpb.CreateInviteResponse, error) {
	view := a.cfg.View()
	if view.Security() == nil {
		return nil, errNoKeys
	}
	life := inviteLife
	if s := r.GetLifetimeS(); s > 0 {
		life = time.Duration(s) * time.Second
	}
	made := identity.NewInvite(view.Epoch(), signing(view.Security()).GetCertificate())
	invite := &configpb.Invite{Id: made.ID, SecretSha256: made.Hash(), NodeName: r.GetNodeName(), ExpiresMs: uint64(time.Now().Add(life).UnixMilli())}
	m := &configpb.Mutation{Op: &configpb.Mutation_PutInvite{PutInvite: invite}, IfRevision: proto.Uint64(0)}
	if _, err := a.cfg.Writer.Propose(ctx, command([]*configpb.Mutation{m})); err != nil {
		return nil, StatusError(err)
	}
	return &configpb.CreateInviteResponse{Invite: withoutHash(invite), Line: made.String()}, nil
}

// signing is the authority whose certificates last: the newest.
func signing(s *configpb.Security) *configpb.Authority {
	newest := s.GetAuthorities()[0]
	for _, a := range s.GetAuthorities() {
		if a.GetMadeMs() > newest.GetMadeMs() {
			newest = a
		}
	}
	return newest
}

func withoutHash(i *configpb.Invite) *configpb.Invite {
	i = proto.CloneOf(i)
	i.SecretSha256 = ""
	return i
}

// ListInvites lists those that nobody has used.
func (a *Access) ListInvites(context.Context, *configpb.ListInvitesRequest) (*configpb.ListInvitesResponse, error) {
	answer, now := &configpb.ListInvitesResponse{}, uint64(time.Now().UnixMilli())
	for _, i := range a.cfg.View().Invites() {
		if now < i.GetExpiresMs() {
			answer.Invites = append(answer.Invites, withoutHash(i))
		}
	}
	return answer, nil
}

// RevokeInvite ends one.
func (a *Access) RevokeInvite(ctx context.Context, r *configpb.RevokeInviteRequest) (*configpb.RevokeInviteResponse, error) {
	m := &configpb.Mutation{Op: &configpb.Mutation_DeleteInvite{DeleteInvite: r.GetId()}}
	if _, err := a.cfg.Writer.Propose(ctx, command([]*configpb.Mutation{m})); err != nil {
		return nil, StatusError(err)
	}
	return &configpb.RevokeInviteResponse{}, nil
}

// RekeyNode begins to change the key of the node that is asked.
func (a *Access) RekeyNode(context.Context, *configpb.RekeyNodeRequest) (*configpb.RekeyNodeResponse, error) {
	if a.cfg.Nodes == nil {
		return nil, errNoKeys
	}
	key, err := a.cfg.Nodes.Rekey()
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "the next key can't be kept: %v", err)
	}
	return &configpb.RekeyNodeResponse{KeySha256: key}, nil
}

// DistrustNode has the node that is asked refuse another one.
func (a *Access) DistrustNode(ctx context.Context, r *configpb.DistrustNodeRequest) (*configpb.DistrustNodeResponse, error) {
	node := a.cfg.View().NodeByName(r.GetName())
	switch {
	case a.cfg.Nodes == nil:
		return nil, errNoKeys
	case node == nil:
		return nil, status.Errorf(codes.NotFound, "no node is named %.40q", r.GetName())
	}
	if err := a.cfg.Nodes.Distrust(ctx, node); err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &configpb.DistrustNodeResponse{}, nil
}

// ShowAuthority shows by whom the nodes' certificates are signed.
func (a *Access) ShowAuthority(ctx context.Context, _ *configpb.ShowAuthorityRequest) (*configpb.ShowAuthorityResponse, error) {
	if a.cfg.Nodes == nil {
		return nil, errNoKeys
	}
	answer := &configpb.ShowAuthorityResponse{Nodes: a.cfg.Nodes.Certificates(ctx)}
	for _, authority := range a.cfg.View().Security().GetAuthorities() {
		der := authority.GetCertificate()
		info := &configpb.AuthorityInfo{
			Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), Sha256: identity.Fingerprint(der),
		}
		if c, err := x509.ParseCertificate(der); err == nil {
			info.ExpiresMs = uint64(c.NotAfter.UnixMilli())
		}
		answer.Authorities = append(answer.Authorities, info)
	}
	return answer, nil
}

// RotateAuthority begins a rotation, or ends it by force.
func (a *Access) RotateAuthority(ctx context.Context, r *configpb.RotateAuthorityRequest) (*configpb.RotateAuthorityResponse, error) {
	var lasting *configpb.Authority
	err := a.amendSecurity(ctx, func(s *configpb.Security) error {
		if len(s.GetAuthorities()) == 1 && !r.GetForce() {
			next, err := a.cfg.Nodes.NextAuthority()
			if err != nil {
				return status.Errorf(codes.Unavailable, "making an authority: %v", err)
			}
			s.Authorities = append(s.Authorities, next)
		}
		if lasting = signing(s); r.GetForce() {
			s.Authorities = []*configpb.Authority{lasting}
			lasting.Cross, lasting.Previous = nil, nil // the one before is not to be trusted
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	answer := &configpb.RotateAuthorityResponse{}
	for _, n := range a.cfg.Nodes.Certificates(ctx) {
		if n.GetAuthoritySha256() != identity.Fingerprint(lasting.GetCertificate()) {
			answer.WaitingFor = append(answer.WaitingFor, n.GetNode())
		}
	}
	return answer, nil
}

// RotateKeys begins a rotation of both rings, which the leader finishes.
func (a *Access) RotateKeys(ctx context.Context, _ *configpb.RotateKeysRequest) (*configpb.RotateKeysResponse, error) {
	err := a.amendSecurity(ctx, func(s *configpb.Security) error {
		for _, ring := range []*configpb.Keyring{s.GetGossip(), s.GetRoutes()} {
			if last := ring.GetKeys()[len(ring.GetKeys())-1]; last.GetId() != ring.GetPrimary() {
				return status.Error(codes.FailedPrecondition, "a rotation goes on already: see keyring list")
			}
			next := a.cfg.Nodes.NextKey(ring)
			if len(ring.Keys) == fsm.MaxRing { // many rotations within a day: the oldest key leaves before its time
				ring.Keys = ring.Keys[1:]
			}
			ring.Keys = append(ring.Keys, next)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &configpb.RotateKeysResponse{}, nil
}

// amendSecurity writes what amend makes of the security as it is now.
func (a *Access) amendSecurity(ctx context.Context, amend func(*configpb.Security) error) error {
	return rewrite(ctx, a.cfg.Writer, a.cfg.View, a.cfg.Wait, func(view *fsm.View) (*configpb.Mutation, error) {
		s := proto.CloneOf(view.Security())
		if a.cfg.Nodes == nil || s == nil {
			return nil, errNoKeys
		}
		if err := amend(s); err != nil || proto.Equal(s, view.Security()) {
			return nil, err
		}
		return &configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: s}, IfRevision: proto.Uint64(s.GetRevision())}, nil
	})
}

// ListKeys lists the keys of both rings, without the keys.
func (a *Access) ListKeys(context.Context, *configpb.ListKeysRequest) (*configpb.ListKeysResponse, error) {
	s := a.cfg.View().Security()
	if s == nil {
		return nil, errNoKeys
	}
	return &configpb.ListKeysResponse{Gossip: keyInfo(s.GetGossip()), Routes: keyInfo(s.GetRoutes())}, nil
}

func keyInfo(r *configpb.Keyring) (all []*configpb.KeyInfo) {
	for _, k := range r.GetKeys() {
		all = append(all, &configpb.KeyInfo{Id: k.GetId(), MadeMs: k.GetMadeMs(), Primary: k.GetId() == r.GetPrimary()})
	}
	return all
}
