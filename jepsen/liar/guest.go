package liar

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// Guest has a token of too little, or of too late, and asks for more than that allows.
type Guest struct {
	// Has says what the guest has, Wants what for.
	Has, Wants string
	proofs     []grpc.DialOption
	ask        func(ctx context.Context, conn *grpc.ClientConn) error
}

// Try asks a node. nil: it was allowed; ErrUnreached: nobody answered.
func (g *Guest) Try(ctx context.Context, n *cluster.Node, from *cluster.Place) error {
	conn, err := n.DialAs(from, cluster.TCPort, g.proofs)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	err = g.ask(ctx, conn)
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return fmt.Errorf("%w: %w", ErrUnreached, err)
	}
	return err
}

// soonOver is the lifetime of a token that is to expire.
const soonOver = time.Second

// Guests gives out tokens by a node, revokes one of them and lets one expire. They count
// once the node that is asked knows it.
func Guests(ctx context.Context, n *cluster.Node, admin credential.Context) ([]*Guest, error) {
	as := func(token string) []grpc.DialOption {
		return credential.DialOptions(credential.TLS(admin.Authorities), token)
	}
	make1 := func(role configpb.Role, life time.Duration) (*configpb.CreateTokenResponse, error) {
		return n.Access().CreateToken(ctx, &configpb.CreateTokenRequest{Name: "guest", Role: role, LifetimeS: uint64(life / time.Second)})
	}
	all := []*Guest{
		{"no token", "a look at the nodes", as(""), look},
		{"a token of nobody", "a look at the nodes", as("sct_abcdefghij01_" + strings.Repeat("A", 43)), look},
		{"the administrator's token, its end changed", "a look at the nodes", as(admin.Token[:len(admin.Token)-4] + "AAAA"), look},
	}
	for role, w := range tooMuch {
		made, err := make1(role, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, &Guest{"a token of " + role.String(), w.wants, as(made.GetSecret()), w.ask})
	}
	expires, err := make1(configpb.Role_ROLE_ADMIN, soonOver)
	if err != nil {
		return nil, err
	}
	revoked, err := make1(configpb.Role_ROLE_ADMIN, 0)
	if err == nil {
		_, err = n.Access().RevokeToken(ctx, &configpb.RevokeTokenRequest{Id: revoked.GetToken().GetId()})
	}
	return append(all,
		&Guest{"an expired token", "a look at the nodes", as(expires.GetSecret()), look},
		&Guest{"a revoked token", "a look at the nodes", as(revoked.GetSecret()), look}), err
}

func look(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := tcpb.NewClusterClient(conn).Status(ctx, &tcpb.StatusRequest{})
	return err
}

// tooMuch is something for each role that it may not.
var tooMuch = map[configpb.Role]struct {
	wants string
	ask   func(ctx context.Context, conn *grpc.ClientConn) error
}{
	configpb.Role_ROLE_CONFIG:   {"every hash of a password", export},
	configpb.Role_ROLE_OPERATOR: {"a DN of its own", write},
	configpb.Role_ROLE_ROUTER:   {"a DN of its own", write},
	configpb.Role_ROLE_STAT: {"a drained node", func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := tcpb.NewClusterClient(conn).DrainNode(ctx, &tcpb.DrainNodeRequest{Name: "n2"})
		return err
	}},
	configpb.Role_ROLE_GATEWAY: {"the list of tokens", func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := configpb.NewAccessClient(conn).ListTokens(ctx, &configpb.ListTokensRequest{})
		return err
	}},
	configpb.Role_ROLE_METRICS: {"a look at the nodes", look},
}

func export(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := configpb.NewConfigurationClient(conn).Export(ctx, &configpb.ExportRequest{Secrets: true})
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

func write(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := configpb.NewConfigurationClient(conn).Write(ctx, &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "667", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+1"}}}}})
	return err
}
