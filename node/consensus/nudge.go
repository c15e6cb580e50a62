package consensus

import "context"

// Followers apply an entry when they learn that it is committed, which Raft
// tells them with its next message. An idle leader sends one each
// commitTimeout; short ones keep every node busy for nothing (10 ms cost 3 % of
// a core each). So the leader appends an empty entry behind the last write of a
// burst, which carries the news at once; and where nothing was written, when it has become
// the leader, when a follower is back or a message to it failed, and behind one that was full:
// the rest would wait for the next one.

// nudge asks for that entry, which comes after this write if it was asked for
// already; it never waits.
func (g *Group) nudge() {
	g.nudges.Send()
}

// tellCommits appends the entries, one at a time, until the context ends.
func (g *Group) tellCommits(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.failed:
			return nil
		case <-g.nudges:
		}
		if len(g.machine.View().Nodes()) > 1 {
			if g.began.Swap(false) { // what is written in one message with it is not committed yet
				_ = g.await(ctx, g.raft.Barrier(g.cfg.Timeout))
			}
			_ = g.await(ctx, g.raft.Barrier(g.cfg.Timeout)) // without it the next message tells
		}
	}
}
