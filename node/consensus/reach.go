package consensus

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// reach refuses an address that is new on the roster and at which the node is not found
// by this leader and by one more node that lives: at an address that leads nowhere it
// would count for a quorum that it can't be part of.
func (g *Group) reach(ctx context.Context, cmd *peerpb.Command) error {
	if g.cfg.Reach == nil || cmd.GetNewEpoch() != "" {
		return nil
	}
	for i, m := range cmd.GetMutations() {
		node := m.GetPutNode()
		if m.GetJoin() != nil {
			node = m.GetJoin().GetNode()
		}
		if node == nil || g.machine.View().Node(node.GetId()).GetClusterAddr() == node.GetClusterAddr() {
			continue
		}
		if err := g.twoReach(ctx, node); err != nil {
			return fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: fsm.ErrInvalid, Mutation: i + 1, Text: err.Error()})
		}
	}
	return nil
}

// twoReach looks here, unless it is this node that moves, and has one more look.
func (g *Group) twoReach(ctx context.Context, node *configpb.Node) error {
	if node.GetId() != g.cfg.Self.GetId() {
		if err := g.cfg.Reach(ctx, node); err != nil {
			return err
		}
	}
	servers, err := g.servers(ctx)
	if err != nil {
		return err
	}
	for _, s := range servers {
		id := string(s.ID)
		if id == g.cfg.Self.GetId() || id == node.GetId() || g.transport.reached(s.ID, g.cfg.Election) == 0 {
			continue
		}
		if why, answered := g.askReach(ctx, id, node); answered && why != "" {
			return errors.New(why)
		} else if answered {
			return nil
		}
	}
	return nil // no other one lives
}

// askReach has another node look; false when it does not answer.
func (g *Group) askReach(ctx context.Context, id string, node *configpb.Node) (why string, answered bool) {
	conn, err := g.connect(ctx, id)
	if err != nil {
		return "", false
	}
	defer conn.Close()
	r, err := peerpb.NewConsensusClient(conn).Reach(ctx, &peerpb.ReachRequest{ClusterId: g.lineage(), Node: node})
	return r.GetWhy(), err == nil
}

// Reach looks for the leader.
func (s *server) Reach(ctx context.Context, r *peerpb.ReachRequest) (*peerpb.ReachResponse, error) {
	if err := s.check(r.GetClusterId()); err != nil {
		return nil, toStatus(err)
	}
	if s.g.cfg.Reach == nil || r.GetNode() == nil {
		return nil, status.Error(codes.FailedPrecondition, "nobody to look for, or nobody who looks")
	}
	answer := &peerpb.ReachResponse{}
	if err := s.g.cfg.Reach(ctx, r.GetNode()); err != nil {
		answer.Why = err.Error()
	}
	return answer, nil
}
