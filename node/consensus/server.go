package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// server answers other nodes. Who may call at all is decided in front of it,
// by the cluster port.
type server struct {
	peerpb.UnimplementedConsensusServer
	g *Group
}

// Register adds the service Consensus to the gRPC server of the cluster port.
func (g *Group) Register(s grpc.ServiceRegistrar) { peerpb.RegisterConsensusServer(s, &server{g: g}) }

// check refuses requests of another cluster.
func (s *server) check(clusterID string) error {
	if ours := s.g.lineage(); clusterID != ours || ours == "" {
		return otherCluster(clusterID, ours)
	}
	return s.g.Err()
}

// Propose applies a command of another node if this one leads.
func (s *server) Propose(ctx context.Context, r *peerpb.ProposeRequest) (*peerpb.ProposeResponse, error) {
	if err := s.check(r.GetClusterId()); err != nil {
		return nil, toStatus(err)
	}
	if r.GetCommand().GetNewEpoch() != "" || r.GetCommand().GetRequestId() == "" {
		return nil, toStatus(&fsm.Rejection{Kind: fsm.ErrInvalid, Text: "a forwarded command has a request id and starts no epoch"})
	}
	client, peer, asked := Client{Proof: r.GetProof()}, s.g.cfg.Clients.Peer(ctx), s.g.machine.View().Security() != nil
	if err := permitForwarded(asked, client, peer, r.GetCommand()); err != nil {
		s.g.refused(peer, err)
		return nil, toStatus(err)
	}
	if !s.g.leads() {
		return nil, toStatus(errNotLeader)
	}
	ctx, cancel := context.WithTimeout(ctx, s.g.cfg.Timeout)
	defer cancel()
	if !asked && !client.shown() && peer == "" {
		peer = r.GetCommand().GetActor().GetNode() // where nobody is asked who he is a node's word counts
	}
	index, err := s.g.lead(ctx, r.GetCommand(), client, peer)
	return &peerpb.ProposeResponse{Index: index}, toStatus(err)
}

// refused tells of a node that asked for what is another's.
func (g *Group) refused(peer string, why error) {
	g.cfg.Events.Event(security.IdentityRefused, "peer", peer, "why", why.Error())
}

// permitForwarded lets another node give, for itself, only the command that puts its
// own entry of the roster, and one by which an invite lets a node in, where somebody
// is asked who he is.
func permitForwarded(asked bool, c Client, peer string, cmd *peerpb.Command) error {
	if !asked || c.shown() {
		return nil
	}
	for i, m := range cmd.GetMutations() {
		if !fsm.OwnEntry(peer, m) && m.GetJoin() == nil {
			return &fsm.Rejection{Kind: fsm.ErrDenied, Mutation: i + 1, Text: "a node may not " + fsm.Describe(m) + " by itself"}
		}
	}
	return nil
}

// ReadIndex confirms that this node leads.
func (s *server) ReadIndex(ctx context.Context, r *peerpb.ReadIndexRequest) (*peerpb.ReadIndexResponse, error) {
	if err := s.check(r.GetClusterId()); err != nil {
		return nil, toStatus(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.g.cfg.Timeout)
	defer cancel()
	index, err := s.g.leaderIndex(ctx)
	return &peerpb.ReadIndexResponse{Index: index}, toStatus(err)
}

// Join adds a node to the roster, or passes the request on to the leader.
func (s *server) Join(ctx context.Context, r *peerpb.JoinRequest) (*peerpb.JoinResponse, error) {
	if s.g.machine.View().Security() != nil {
		err := &fsm.Rejection{Kind: fsm.ErrInvite, Text: "a node joins this cluster by an invite"}
		s.g.refused(s.g.cfg.Clients.Peer(ctx), err)
		return nil, toStatus(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.g.cfg.Timeout)
	defer cancel()
	answer, err := s.g.admit(ctx, r)
	return answer, toStatus(err)
}

// admit brings the node into the roster; the leader's reconcile loop does the rest.
func (g *Group) admit(ctx context.Context, r *peerpb.JoinRequest) (*peerpb.JoinResponse, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	if g.machine.View().Epoch() == "" {
		return nil, fmt.Errorf("%w: this node does not belong to a cluster itself yet", ErrNoQuorum)
	}
	if !g.leads() {
		client, err := g.leaderClient(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := client.Join(ctx, r)
		return answer, fromStatus(err)
	}
	if err := g.settle(ctx); err != nil {
		return nil, err
	}
	if m := joining(g.machine.View().Node(r.GetNode().GetId()), r.GetNode()); m != nil {
		if _, err := g.Propose(ctx, proposal(m)); err != nil {
			return nil, err
		}
	}
	return &peerpb.JoinResponse{ClusterId: g.ClusterID(), Recovery: g.machine.View().Recovery(), Nodes: g.machine.View().Nodes()}, nil
}

// joining returns the write that brings the node's addresses into the roster,
// nil when they are there. What the operator decided, it keeps.
func joining(present, node *configpb.Node) *configpb.Mutation {
	n := proto.CloneOf(node)
	if n == nil {
		n = &configpb.Node{}
	}
	if present != nil {
		n.NonVoter, n.Revision = present.GetNonVoter(), present.GetRevision()
		n.Draining, n.DrainUntilMs, n.DrainForMs = present.GetDraining(), present.GetDrainUntilMs(), present.GetDrainForMs()
		n.KeySha256 = present.GetKeySha256()
		if proto.Equal(n, present) {
			return nil
		}
	}
	revision := present.GetRevision()
	return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: n}, IfRevision: &revision}
}

// keepSelf writes this node's addresses into the roster when they changed, as
// often as it takes. A node that is off the roster does not put itself back.
func (g *Group) keepSelf(ctx context.Context) error {
	w := g.machine.Watch()
	defer w.Close()
	go func() {
		for {
			c, err := w.Next(ctx)
			if err != nil {
				return
			}
			if c.All || c.Nodes {
				g.moved.Send()
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.moved:
			g.updateSelf(ctx)
		}
	}
}

// Moved says that this node's own entry has changed.
func (g *Group) Moved() { g.moved.Send() }

// refusedPause is how often a node says again where it is when it was not believed:
// what keeps the others from reaching it there may end.
const refusedPause = 5 * time.Second

// updateSelf returns when the entry is right, or can't be put right.
func (g *Group) updateSelf(ctx context.Context) {
	refused := lasting.New(g.log, slog.LevelWarn, "this node's new name or addresses are refused by the cluster", "this node's new name or addresses are on the roster")
	defer refused.Over()
	for ctx.Err() == nil && g.Err() == nil {
		own := g.cfg.Own()
		present := g.machine.View().Node(own.GetId())
		if present == nil {
			return
		}
		m := joining(present, own)
		if m == nil {
			return
		}
		cmd := proposal(m)
		cmd.Actor = &configpb.Actor{Node: own.GetId()}
		_, err := g.Propose(ctx, cmd)
		pause := time.NewTimer(g.cfg.Election)
		if errors.Is(err, ErrRejected) && !errors.Is(err, fsm.ErrRevision) { // else this node is behind
			refused.Met("err", err)
			pause.Reset(refusedPause)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}
