package consensus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// errNoSuccessor: no other voter lives.
var errNoSuccessor = errors.New("no other voter answers that could lead")

// HandOver has another living voter lead, and returns when one does; at a node that
// does not lead it does nothing. The context bounds it.
func (g *Group) HandOver(ctx context.Context) error {
	self := g.cfg.Self.GetId()
	for g.leads() {
		to, err := g.successor(ctx)
		if err != nil {
			return err
		}
		err = g.await(ctx, g.raft.LeadershipTransferToServer(to.ID, to.Address))
		if err != nil && !errors.Is(err, errNotLeader) { // else Raft was busy for a moment
			return fmt.Errorf("handing the lead over to %s: %w", to.ID, err)
		}
		if err := g.pause(ctx, retryPause/10); err != nil {
			return err
		}
	}
	for { // the one that is to lead may need this node's vote
		change := g.leaderChange()
		if s := g.Status(); s.Leader != "" && s.Leader != self || g.leads() {
			return nil
		}
		select {
		case <-change:
		case <-g.failed:
			return g.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *Group) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// successor is the voter whose log reaches furthest among those that answer now. One
// whose answer was on its way when it was asked counts for Raft and says nothing here:
// then it is asked again.
func (g *Group) successor(ctx context.Context) (to raft.Server, err error) {
	servers, err := g.servers(ctx)
	if err != nil {
		return to, err
	}
	for began := time.Now(); ; {
		if err := g.ask(ctx); err != nil {
			return to, err
		}
		best := uint64(0)
		for _, s := range servers {
			if s.Suffrage != raft.Voter || s.ID == raft.ServerID(g.cfg.Self.GetId()) {
				continue
			}
			if at := g.transport.reached(s.ID, time.Since(began)); at > best {
				to, best = s, at
			}
		}
		switch {
		case best > 0:
			return to, nil
		case time.Since(began) > judgeTime:
			return to, errNoSuccessor
		}
		if err := g.pause(ctx, retryPause/10); err != nil {
			return to, err
		}
	}
}

// ask has a heartbeat go out to every voter at once, and returns when a majority has
// answered.
func (g *Group) ask(ctx context.Context) error { return g.await(ctx, g.raft.VerifyLeader()) }

func (g *Group) servers(ctx context.Context) ([]raft.Server, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	f := g.raft.GetConfiguration()
	if err := g.await(ctx, f); err != nil {
		return nil, err
	}
	return f.Configuration().Servers, nil
}

// remainder is what remains of the voters when some leave: the living, and the dead.
type remainder struct{ alive, dead []raft.ServerID }

// quorum tells whether those that live are a majority of those that remain.
func (l remainder) quorum() bool { return len(l.alive) > len(l.dead) }

// without is what remains of the voters without those that leave.
func without(servers []raft.Server, leaves, alive func(raft.ServerID) bool) (l remainder) {
	for _, s := range servers {
		switch {
		case s.Suffrage != raft.Voter || leaves(s.ID):
		case alive(s.ID):
			l.alive = append(l.alive, s.ID)
		default:
			l.dead = append(l.dead, s.ID)
		}
	}
	return l
}

// removals are judged and written one at a time: two that are harmless one by one may
// not be so together.
type removals struct{ mu sync.Mutex }

// removing calls write, for a command that takes nodes off the roster when it leaves a
// quorum of living voters or is forced to. It is called at the leader, which hands the
// lead over instead when it is among those that leave: then the error is errNotLeader.
func (g *Group) removing(ctx context.Context, cmd *peerpb.Command, write func() (uint64, error)) (uint64, error) {
	leaving := map[raft.ServerID]bool{}
	for _, m := range cmd.GetMutations() {
		if id := m.GetDeleteNode(); id != "" && g.machine.View().Node(id) != nil {
			leaving[raft.ServerID(id)] = true
		}
	}
	if len(leaving) == 0 {
		return write()
	}
	g.removals.mu.Lock()
	defer g.removals.mu.Unlock()
	if err := g.settle(ctx); err != nil {
		return 0, err
	}
	if !cmd.GetForce() {
		if err := g.judge(ctx, leaving); err != nil {
			return 0, err
		}
	}
	if leaving[raft.ServerID(g.cfg.Self.GetId())] {
		if err := g.HandOver(ctx); err != nil {
			return 0, refuse("this node leads and can't hand that over: %v", err)
		}
		return 0, errNotLeader
	}
	return write()
}

// judgeTime is how long a voter may take for a sign of life while a removal is judged.
const judgeTime = 700 * time.Millisecond

// judge refuses removals that leave no quorum of living voters: of those that answer
// now, whatever they did before.
func (g *Group) judge(ctx context.Context, leaving map[raft.ServerID]bool) error {
	began := time.Now()
	alive := func(id raft.ServerID) bool {
		return string(id) == g.cfg.Self.GetId() || g.transport.reached(id, time.Since(began)) > 0
	}
	for {
		if err := g.ask(ctx); err != nil {
			return err
		}
		servers, err := g.servers(ctx)
		if err != nil {
			return err
		}
		view := g.machine.View()
		leaves := func(id raft.ServerID) bool { return leaving[id] || view.Node(string(id)) == nil }
		l := without(servers, leaves, alive)
		if l.quorum() {
			return nil
		}
		if time.Since(began) > judgeTime {
			return refuse("%s", l.sentence(view, leaving))
		}
		if err := g.pause(ctx, retryPause); err != nil {
			return err
		}
	}
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: fsm.ErrConflict, Mutation: 1, Text: fmt.Sprintf(format, args...)})
}

// sentence says who lives, what that means, and what to do.
func (l remainder) sentence(view *fsm.View, leaving map[raft.ServerID]bool) string {
	names := func(ids []raft.ServerID) string {
		all := make([]string, 0, len(ids))
		for _, id := range ids {
			name := view.Node(string(id)).GetName()
			if name == "" {
				name = string(id)
			}
			all = append(all, name)
		}
		return strings.Join(all, ", ")
	}
	var gone []raft.ServerID
	for id := range leaving {
		gone = append(gone, id)
	}
	if len(l.alive)+len(l.dead) == 0 {
		return fmt.Sprintf("%s is the last voter: without it nobody could change the configuration any more", names(gone))
	}
	who := "nobody"
	if len(l.alive) > 0 {
		who = names(l.alive)
	}
	return fmt.Sprintf("without %s the configuration could not be changed any more: of the voters that are left %s would answer, and %s would not; start %s again or remove it first",
		names(gone), who, names(l.dead), names(l.dead))
}

// Stand asks for votes at once, at a node that knows no leader; the others decide. It
// may be called again and again.
func (g *Group) Stand() {
	if g.Err() != nil {
		return
	}
	if _, id := g.raft.LeaderWithID(); id == "" && g.raft.State() == raft.Follower {
		g.transport.electNow(raft.ServerID(g.cfg.Self.GetId()))
	}
}

// LastLog is how far this node's log goes; 0 when it has none that is good for anything.
func (g *Group) LastLog() uint64 {
	if g.Err() != nil {
		return 0
	}
	return g.raft.LastIndex()
}

// Suffrages are the nodes of the group, and which of them vote, as far as this node
// knows; nil when it knows nothing.
func (g *Group) Suffrages() map[string]bool {
	if g == nil || g.Err() != nil {
		return nil
	}
	all := map[string]bool{}
	for _, s := range g.raft.GetConfiguration().Configuration().Servers {
		all[string(s.ID)] = s.Suffrage == raft.Voter
	}
	return all
}

// Voters are the ids of those who vote, as far as this node knows.
func (g *Group) Voters(ctx context.Context) (ids []string, err error) {
	servers, err := g.servers(ctx)
	for _, s := range servers {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids, err
}
