package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/intake"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// clients tells the configuration plane who the clients are.
type clients struct{ n *Node }

// Asking implements consensus.Clients.
func (c clients) Asking(ctx context.Context) consensus.Client {
	s := access.From(ctx).Shown()
	if s.Source == "" {
		s.Source = access.Source(ctx)
	}
	if s == (access.Shown{}) {
		return consensus.Client{}
	}
	return consensus.Client{Proof: &peerpb.Proof{Token: s.Token, Source: s.Source}, Certificate: s.Certificate}
}

// Verify implements consensus.Clients.
func (c clients) Verify(client consensus.Client) (*configpb.Actor, error) {
	if c.n.guard == nil {
		return nil, errors.New("this node asks nobody who he is")
	}
	who, err := c.n.guard.Judge(access.Shown{Token: client.Proof.GetToken(), Certificate: client.Certificate})
	if err != nil {
		return nil, errors.New("the token is not known to the leader, was revoked, or has expired")
	}
	return &configpb.Actor{Token: who.ID, Name: who.Name, Role: who.Role}, nil
}

// Peer implements consensus.Clients.
func (c clients) Peer(ctx context.Context) string { return c.n.peerOf(ctx) }

// writer is the configuration plane for the services; what clients change is told of.
type writer struct {
	*consensus.Group
	events *security.Events
}

// Propose implements api.Proposer.
func (w writer) Propose(ctx context.Context, cmd *peerpb.Command) (uint64, error) {
	index, err := w.Group.Propose(ctx, cmd)
	if err == nil {
		w.tell(ctx, index, cmd.GetMutations())
	}
	return index, err
}

// toldChanges are named in a line of the log.
const toldChanges = 3

func (w writer) tell(ctx context.Context, index uint64, ms []*configpb.Mutation) {
	var changes []string
	for _, m := range ms[:min(len(ms), toldChanges)] {
		changes = append(changes, fsm.Describe(m))
	}
	who := access.From(ctx)
	name := ""
	if who != nil {
		name = who.Name
	}
	w.events.Event(security.ConfigWrite, "token", who.Token(), "name", name, "source", access.Source(ctx), "index", index,
		"changes", strings.Join(changes, ", "), "mutations", len(ms))
}

// clientTLS is for the ports for clients: the node's certificate, and a client's if
// it has one. Which certificates count is the Guard's to say.
func clientTLS(certificate func() *tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{credential.ALPN}, SessionTicketsDisabled: true,
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := certificate(); c != nil {
				return c, nil
			}
			return nil, errors.New("this node has no certificate yet")
		},
	}
}

// clientOptions are those of the gRPC servers of both ports for clients.
func (n *Node) clientOptions(in *intake.Listener) []grpc.ServerOption {
	// Thousands of sessions are idle at a time: what is greater than the buffer is read past it.
	options := append(api.Outcomes(), grpc.KeepaliveParams(unpinged), grpc.ReadBufferSize(4<<10))
	if n.guard != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(clientTLS(n.shownCertificate))))
		options = append(options, n.guard.ServerOptions()...)
	}
	return append(options, spokeOptions(in)...)
}

// spokeOptions tell the intake of connections on which requests are taken. Put them
// behind those that refuse.
func spokeOptions(i *intake.Listener) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			i.Spoke(access.Source(ctx))
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			i.Spoke(access.Source(ss.Context()))
			return next(srv, ss)
		}),
	}
}

// peerOf is the node that called a handler of the cluster port.
func (n *Node) peerOf(ctx context.Context) string {
	id, _ := identity.PeerOf(ctx)
	return id
}

// shownCertificate is the node's, as clients see it.
func (n *Node) shownCertificate() *tls.Certificate {
	if n.who == nil {
		return nil
	}
	own := n.who.Certificate()
	if own == nil {
		return nil
	}
	shown := *own
	shown.Certificate = slices.Clone(own.Certificate)
	for _, a := range n.machine.View().Security().GetAuthorities() { // clients learn the next one, or know the last one still
		if !slices.ContainsFunc(shown.Certificate, func(der []byte) bool { return bytes.Equal(der, a.GetCertificate()) }) {
			shown.Certificate = append(shown.Certificate, a.GetCertificate())
		}
	}
	return &shown
}
