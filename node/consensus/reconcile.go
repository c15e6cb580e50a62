package consensus

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/wake"
)

// MaxVoters is the greatest number of nodes that count for the quorum; further
// ones follow the log as non-voters.
const MaxVoters = 5

// action is a step from Raft's configuration towards the roster.
type action uint8

const (
	// none: both agree, or nothing can be done yet.
	none action = iota
	// addNonvoter: a node is new, or a non-voter's address changed.
	addNonvoter
	// addVoter: a non-voter has caught up, or a voter's address changed.
	addVoter
	// demote: the roster says that it shall not vote.
	demote
	// remove: it is off the roster.
	remove
	// handOver: the leader itself is off the roster; another one has to remove it.
	handOver
)

type step struct {
	action action
	id     raft.ServerID
	addr   raft.ServerAddress
}

// plan returns the next step, one at a time as Raft demands. Nodes that are
// dead stay: only the roster decides. caughtUp tells whether a non-voter has
// the log.
func plan(roster []*configpb.Node, servers []raft.Server, self raft.ServerID, caughtUp func(raft.ServerID) bool) step {
	wanted, present, voters := map[raft.ServerID]*configpb.Node{}, map[raft.ServerID]raft.Server{}, 0
	for _, n := range roster {
		wanted[raft.ServerID(n.GetId())] = n
	}
	for _, s := range servers {
		present[s.ID] = s
		if s.Suffrage == raft.Voter {
			voters++
		}
	}
	for _, s := range servers {
		if wanted[s.ID] == nil && s.ID != self {
			return step{action: remove, id: s.ID}
		}
	}
	for _, n := range roster {
		s, ok := present[raft.ServerID(n.GetId())]
		if next := next(n, s, ok, voters, caughtUp); next.action != none {
			return next
		}
	}
	if _, there := present[self]; there && wanted[self] == nil && len(roster) > 0 {
		return step{action: handOver, id: self}
	}
	return step{}
}

func next(n *configpb.Node, s raft.Server, present bool, voters int, caughtUp func(raft.ServerID) bool) step {
	st := step{id: raft.ServerID(n.GetId()), addr: raft.ServerAddress(n.GetClusterAddr())}
	switch {
	case !present:
		st.action = addNonvoter
	case s.Suffrage == raft.Voter && n.GetNonVoter() && voters > 1:
		st.action = demote
	case s.Suffrage == raft.Voter && s.Address != st.addr:
		st.action = addVoter
	case s.Suffrage != raft.Voter && s.Address != st.addr:
		st.action = addNonvoter
	case s.Suffrage != raft.Voter && !n.GetNonVoter() && voters < MaxVoters && caughtUp(s.ID):
		st.action = addVoter
	}
	return st
}

// reconcile keeps Raft's configuration equal to the roster while this node is
// the leader.
func (g *Group) reconcile(ctx context.Context) error {
	w := g.machine.Watch()
	defer w.Close()
	changed := wake.New()
	go func() {
		for {
			c, err := w.Next(ctx)
			if err != nil {
				return
			}
			if c.All || c.Nodes {
				changed.Send()
			}
		}
	}()
	tick := time.NewTicker(min(g.cfg.Election/4, 500*time.Millisecond)) // non-voters that catch up announce themselves to nobody
	defer tick.Stop()
	for {
		for g.leads() && g.reconcileOnce(ctx) {
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// reconcileOnce takes one step and tells whether there may be another.
func (g *Group) reconcileOnce(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	if err := g.settle(ctx); err != nil {
		return false // not a leader that has applied all of its log
	}
	f := g.raft.GetConfiguration()
	if err := g.await(ctx, f); err != nil || g.machine.View().Epoch() == "" {
		return false
	}
	s := plan(g.machine.View().Nodes(), f.Configuration().Servers, raft.ServerID(g.cfg.Self.GetId()), g.caughtUp)
	if s.action == none {
		return false
	}
	if err := g.await(ctx, g.do(s, f.Index())); err != nil {
		g.log.Info("changing the raft group failed, to be tried again", "node", s.id, "err", err)
		return false
	}
	return true
}

func (g *Group) do(s step, index uint64) raft.Future {
	switch s.action {
	case addNonvoter:
		g.log.Info("node follows the log", "node", s.id, "addr", s.addr)
		return g.raft.AddNonvoter(s.id, s.addr, index, g.cfg.Timeout)
	case addVoter:
		g.log.Info("node votes", "node", s.id, "addr", s.addr)
		return g.raft.AddVoter(s.id, s.addr, index, g.cfg.Timeout)
	case demote:
		g.log.Info("node votes no more", "node", s.id)
		return g.raft.DemoteVoter(s.id, index, g.cfg.Timeout)
	case remove:
		g.log.Info("node removed from the raft group", "node", s.id)
		return g.raft.RemoveServer(s.id, index, g.cfg.Timeout)
	default:
		g.log.Info("this node was removed: handing the leadership over")
		return g.raft.LeadershipTransfer()
	}
}

// caughtUp tells whether the follower's log ends at most one batch behind ours.
func (g *Group) caughtUp(id raft.ServerID) bool {
	reached := g.transport.reached(id, g.cfg.Election)
	return reached > 0 && reached+maxAppendEntries >= g.raft.LastIndex()
}
