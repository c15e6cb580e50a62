package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Client is what who asked for a change showed to the node that it asked. The zero
// value is a node that acts by itself.
type Client struct {
	// Proof travels to the leader.
	Proof *peerpb.Proof
	// Certificate is the fingerprint of a client certificate, as
	// Token.certificate_sha256 has it. That its key was there is known where its
	// connection ends, and nowhere else: so it does not travel.
	Certificate string
}

// Clients knows who a client is. Its methods wait for nobody.
type Clients interface {
	// Asking returns what the client showed whose request the context is of.
	Asking(ctx context.Context) Client
	// Verify returns the actor that a client is here and now; it has neither a node
	// nor an address. The error is for people.
	Verify(c Client) (*configpb.Actor, error)
	// Peer returns the id of the node whose request the context is of, as its
	// connection shows it; "" when it shows none.
	Peer(ctx context.Context) string
}

// nobody asks no client who he is.
type nobody struct{}

func (nobody) Asking(context.Context) Client          { return Client{} }
func (nobody) Verify(Client) (*configpb.Actor, error) { return &configpb.Actor{}, nil }
func (nobody) Peer(context.Context) string            { return "" }

// shown tells whether somebody other than a node asks.
func (c Client) shown() bool { return c.Certificate != "" || c.Proof.GetToken() != "" }

// lead has the command appended here, at the leader, with its actor and time;
// asked is the node that the client asked.
func (g *Group) lead(ctx context.Context, cmd *peerpb.Command, c Client, asked string) (uint64, error) {
	if g.machine.Parked() != nil {
		return 0, errNotLeader
	}
	if err := g.machine.Features().Needs(g.machine.View(), cmd); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	actor := &configpb.Actor{}
	if c.shown() {
		if err := g.settle(ctx); err != nil { // the token may be among what is not applied yet
			return 0, err
		}
		var err error
		if actor, err = g.cfg.Clients.Verify(c); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: fsm.ErrDenied, Text: err.Error()})
		}
	}
	actor.Node, actor.Source = asked, c.Proof.GetSource()
	if err := errors.Join(g.reach(ctx, cmd), g.vacant(cmd)); err != nil {
		return 0, err
	}
	return g.removing(ctx, cmd, func() (uint64, error) {
		return g.apply(ctx, &peerpb.Command{
			Version: cmd.GetVersion(), RequestId: cmd.GetRequestId(), Mutations: cmd.GetMutations(), NewEpoch: cmd.GetNewEpoch(), Level: cmd.GetLevel(),
			Actor: actor, TimeMs: uint64(max(0, time.Now().UnixMilli())),
		})
	})
}

// vacant refuses an address that another node has, unless that one is known to be
// elsewhere now: a node that is silent is not removed, and keeps its address.
func (g *Group) vacant(cmd *peerpb.Command) error {
	view := g.machine.View()
	for i, m := range cmd.GetMutations() {
		other := view.NodeAt(m.GetPutNode())
		if m.GetPutNode() == nil || len(cmd.GetMutations()) > 1 || other == nil || g.cfg.Address(other.GetId()) != other.GetClusterAddr() {
			continue
		}
		return fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: fsm.ErrConflict, Mutation: i + 1, Text: fmt.Sprintf(
			"node %s: %s is the cluster address of node %s: remove that one first, or choose another address",
			m.GetPutNode().GetName(), other.GetClusterAddr(), other.GetName())})
	}
	return nil
}

// askLeader is the error for a client whose proof can't travel: a *fsm.AskLeader.
func (g *Group) askLeader() error {
	_, id := g.raft.LeaderWithID()
	leader := g.machine.View().Node(string(id))
	if leader.GetTcAddr() == "" {
		return ErrNoQuorum
	}
	return &fsm.AskLeader{Name: leader.GetName(), Addr: leader.GetTcAddr()}
}
