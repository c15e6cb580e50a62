package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
)

// Rotation is a change of what nodes or clients are known by. Nobody may notice it.
type Rotation struct {
	What string
	// begin asks a node for it; it may be asked again. over is nil when the node has
	// nothing but what is new.
	begin, over func(ctx context.Context, n *Node) error
}

// RotationOver is how long a rotation may take while all nodes are heard: some steps, of which
// the leader takes one each two seconds.
const RotationOver = 40 * time.Second

var errGoesOn = errors.New("the rotation goes on")

// Begin begins it by any of the nodes.
func (r *Rotation) Begin(ctx context.Context, nodes ...*Node) error {
	_, err := Eventually(ctx, 20*time.Second, "the begin of a rotation: "+r.What, func(ctx context.Context) (err error) {
		for _, n := range nodes {
			ask, cancel := context.WithTimeout(ctx, 3*time.Second)
			err = r.begin(ask, n)
			if cancel(); err == nil {
				return nil
			}
		}
		return err
	})
	return err
}

// Wait waits until it is over at each of the nodes.
func (r *Rotation) Wait(ctx context.Context, within time.Duration, nodes ...*Node) (time.Duration, error) {
	return Eventually(ctx, within, "the end of a rotation: "+r.What, func(ctx context.Context) error {
		for _, n := range nodes {
			if err := r.over(ctx, n); err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
		}
		return nil
	})
}

// Rotations are one of each kind: the rings, the authority, a token, the key of each of the
// nodes.
func (c *Cluster) Rotations(nodes ...*Node) []*Rotation {
	all := []*Rotation{keyringRotation(), authorityRotation(), c.tokenRotation()}
	for _, n := range nodes {
		all = append(all, rekeying(n))
	}
	return all
}

// goesOn takes it for begun that one goes on already.
func goesOn(err error) error {
	if status.Code(err) == codes.FailedPrecondition {
		return nil
	}
	return err
}

func keyringRotation() *Rotation {
	var before uint32
	key := func(ctx context.Context, n *Node) (newest uint32, all int, err error) {
		l, err := n.Access().ListKeys(ctx, &configpb.ListKeysRequest{})
		for _, k := range l.GetGossip() {
			if k.GetPrimary() {
				newest = k.GetId()
			}
		}
		return newest, len(l.GetGossip()), err
	}
	return &Rotation{What: "both rings", begin: func(ctx context.Context, n *Node) (err error) {
		if before == 0 {
			if before, _, err = key(ctx, n); err != nil {
				return err
			}
		}
		_, err = n.Access().RotateKeys(ctx, &configpb.RotateKeysRequest{})
		return goesOn(err)
	}, over: func(ctx context.Context, n *Node) error {
		newest, all, err := key(ctx, n)
		if err == nil && (newest <= before || all != 1) {
			err = fmt.Errorf("%w: of %d keys the one in use is %d, after %d", errGoesOn, all, newest, before)
		}
		return err
	}}
}

func authorityRotation() *Rotation {
	var before string
	authorities := func(ctx context.Context, n *Node) (all []string, err error) {
		l, err := n.Access().ShowAuthority(ctx, &configpb.ShowAuthorityRequest{})
		for _, a := range l.GetAuthorities() {
			all = append(all, a.GetSha256())
		}
		return all, err
	}
	return &Rotation{What: "the authority", begin: func(ctx context.Context, n *Node) error {
		if before == "" {
			all, err := authorities(ctx, n)
			if err != nil {
				return err
			}
			before = all[0]
		}
		_, err := n.Access().RotateAuthority(ctx, &configpb.RotateAuthorityRequest{})
		return goesOn(err)
	}, over: func(ctx context.Context, n *Node) error {
		all, err := authorities(ctx, n)
		if err == nil && (len(all) != 1 || all[0] == before) {
			err = fmt.Errorf("%w: its authorities are %.12q, after %.12s", errGoesOn, all, before)
		}
		return err
	}}
}

// rekeying is a new key of one node; only that one can be asked for it.
func rekeying(of *Node) *Rotation {
	var next string
	return &Rotation{What: "the key of " + of.name, begin: func(ctx context.Context, _ *Node) error {
		r, err := of.Access().RekeyNode(ctx, &configpb.RekeyNodeRequest{})
		next = r.GetKeySha256()
		return err
	}, over: func(ctx context.Context, n *Node) error {
		l, err := n.Configuration().ListNodes(ctx, &configpb.ListNodesRequest{})
		for _, x := range l.GetNodes() {
			if x.GetName() == of.name && !slices.Equal(x.GetKeySha256(), []string{next}) {
				err = fmt.Errorf("%w: the roster has %.12q of %s, not %.12s alone", errGoesOn, x.GetKeySha256(), of.name, next)
			}
		}
		return err
	}}
}

// tokenRotation gives out a token and revokes it: in the end it is refused everywhere.
func (c *Cluster) tokenRotation() *Rotation {
	var made *configpb.CreateTokenResponse
	return &Rotation{What: "a token", begin: func(ctx context.Context, n *Node) (err error) {
		if made == nil {
			r, err := n.Access().CreateToken(ctx, &configpb.CreateTokenRequest{Name: "rotated", Role: configpb.Role_ROLE_OPERATOR})
			if err != nil {
				return err
			}
			made = r
		}
		_, err = n.Access().RevokeToken(ctx, &configpb.RevokeTokenRequest{Id: made.GetToken().GetId()})
		if status.Code(err) == codes.NotFound {
			return nil // by an attempt before, of which no answer came
		}
		return err
	}, over: func(ctx context.Context, n *Node) error {
		admin, err := c.Admin()
		if err != nil {
			return err
		}
		conn, err := n.DialAs(c.visitor, TCPort, credential.DialOptions(credential.TLS(admin.Authorities), made.GetSecret()))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, err = configpb.NewAccessClient(conn).WhoAmI(ctx, &configpb.WhoAmIRequest{})
		switch status.Code(err) {
		case codes.Unauthenticated:
			return nil
		case codes.OK:
			return fmt.Errorf("%w: the revoked token is taken", errGoesOn)
		}
		return err
	}}
}
