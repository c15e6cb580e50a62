package consensus

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/internal/beat"
)

// heartbeatEach is how often a leader asks the others whether it leads. Raft's own heartbeats
// come after a pause by chance, of Config.Election/10 at least, one follower's at another
// moment than the next one's; those that are asked for come first, at the moments when the
// node is awake anyway, and begin that pause anew.
const heartbeatEach = 200 * time.Millisecond

// askTogether asks until the context ends, one question at a time: of a leader that hears
// nobody it waits for the end.
func (g *Group) askTogether(ctx context.Context) error {
	tick := beat.New(heartbeatEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.failed:
			return nil
		case <-tick.C:
			tick.Again()
		}
		if g.leads() && len(g.machine.View().Nodes()) > 1 {
			_ = g.await(ctx, g.raft.VerifyLeader()) // Raft acts on the answer
		}
	}
}
