package consensus

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// raise lifts the feature level when every node of the roster knows a greater one.
func (g *Group) raise(ctx context.Context) error {
	v := g.machine.View()
	next := min(v.CommonLevel(), g.machine.Features().Known)
	if next <= v.Level() {
		return nil
	}
	present := uint64(v.Level())
	cmd := proposal(&configpb.Mutation{Op: &configpb.Mutation_PutLevel{PutLevel: next}, IfRevision: &present})
	cmd.RequestId = uuid.NewString()
	if _, err := g.lead(ctx, cmd, Client{}, g.cfg.Self.GetId()); err != nil {
		return fmt.Errorf("raising the feature level to %d: %w", next, err)
	}
	g.log.Info("feature level", "level", next)
	return nil
}

// leaveLead gives up the leadership of a node that applies nothing: it would answer
// from an old state, and acknowledge nothing.
func (g *Group) leaveLead(ctx context.Context) {
	g.log.Warn("this node applies nothing: handing the leadership over", "err", g.machine.Parked())
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	if err := g.await(ctx, g.raft.LeadershipTransfer()); err != nil {
		g.log.Info("handing the leadership over failed, to be tried again", "err", err)
	}
}
