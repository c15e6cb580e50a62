package consensus

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/voters"
)

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
	tick := beat.New(min(g.cfg.Election/4, 500*time.Millisecond)) // non-voters that catch up announce themselves to nobody
	defer tick.Stop()
	for {
		for g.leads() && g.reconcileOnce(ctx) {
		}
		if g.machine.Parked() != nil && g.raft.State() == raft.Leader {
			g.leaveLead(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
			tick.Again()
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
	s := voters.Plan(g.situation(f.Configuration().Servers))
	if s.Action == voters.None {
		if err := g.raise(ctx); err != nil {
			g.log.Info("to be tried again", "err", err)
		}
		return false
	}
	if err := g.do(ctx, s, f.Index()); err != nil {
		g.log.Info("changing the raft group failed, to be tried again", "node", s.ID, "err", err)
		return false
	}
	return true
}

// situation is what this leader knows of the voters.
func (g *Group) situation(servers []raft.Server) voters.Situation {
	view := g.machine.View()
	s := voters.Situation{
		Self: g.cfg.Self.GetId(), Alive: g.cfg.Election, Max: int(view.Options().GetMaxVoters()),
		Dead:   time.Duration(view.Options().GetDeadVoterS()) * time.Second,
		Silent: g.silent, CaughtUp: func(id string) bool { return g.caughtUp(raft.ServerID(id)) },
	}
	for _, n := range view.Nodes() {
		s.Roster = append(s.Roster, voters.Member{ID: n.GetId(), Site: n.GetSite(), Addr: n.GetClusterAddr(), NonVoter: n.GetNonVoter()})
	}
	for _, v := range servers {
		s.Servers = append(s.Servers, voters.Server{ID: string(v.ID), Addr: string(v.Address), Voter: v.Suffrage == raft.Voter})
	}
	return s
}

// silent is how long a node has not answered, as far as this leader can know: since it
// leads at most, unless it heard the node before.
func (g *Group) silent(id string) time.Duration {
	if id == g.cfg.Self.GetId() {
		return 0
	}
	return g.transport.silent(raft.ServerID(id), g.since.Load())
}

func (g *Group) do(ctx context.Context, s voters.Step, index uint64) error {
	id, addr := raft.ServerID(s.ID), raft.ServerAddress(s.Addr)
	var f raft.Future
	switch s.Action {
	case voters.Follow:
		g.log.Info("node follows the log", "node", id, "addr", addr)
		f = g.raft.AddNonvoter(id, addr, index, g.cfg.Timeout)
	case voters.Vote:
		g.log.Info("node votes", "node", id, "addr", addr)
		f = g.raft.AddVoter(id, addr, index, g.cfg.Timeout)
	case voters.Demote:
		g.log.Info("node votes no more", "node", id)
		f = g.raft.DemoteVoter(id, index, g.cfg.Timeout)
	case voters.Remove:
		g.log.Info("node removed from the raft group", "node", id)
		f = g.raft.RemoveServer(id, index, g.cfg.Timeout)
	default:
		g.log.Info("this node shall not vote any more: handing the leadership over")
		return g.HandOver(ctx)
	}
	return g.await(ctx, f)
}

// caughtUp tells whether the follower's log ends at most one batch behind ours.
func (g *Group) caughtUp(id raft.ServerID) bool {
	reached := g.transport.reached(id, g.cfg.Election)
	return reached > 0 && reached+maxAppendEntries >= g.raft.LastIndex()
}
