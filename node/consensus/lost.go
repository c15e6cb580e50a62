package consensus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	berrors "go.etcd.io/bbolt/errors"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// A node that has lost its log has forgotten for whom it voted and what it has
// acknowledged: if it just went on under its id, a write that counted on it could be
// lost. So it takes no part until the leader, who has all that was acknowledged, has
// taken it out of Raft's configuration; then it comes in anew like any follower, with
// the configuration that it has. A damaged log is set aside and is as good as lost.

// returnEach is how often a node that lost its log asks to be taken in.
const returnEach = time.Second

// errLost: this node belongs to a cluster and has no log.
var errLost = errors.New("the log of the configuration is lost")

// Lost is what became of a log that is not there.
type Lost struct {
	// Why in words; Aside is where the damaged files are, "" when there were none.
	Why, Aside string
	// Waits: the leader has not taken this node in yet.
	Waits bool
}

// Lost tells of a log that was lost before this start; nil: it was there.
func (g *Group) Lost() *Lost { return g.lost.Load() }

// openLost opens the group of a member whose log could not be opened: SIP needs none of
// it. What is damaged is set aside, what the machine does not give is left alone.
func (g *Group) openLost(cause error) error {
	l := &Lost{Why: cause.Error(), Waits: true}
	if !errors.Is(cause, errLost) {
		if ofTheMachine(cause) {
			g.fail(cause)
			return nil
		}
		aside, err := disk.SetAside(g.cfg.Dir, time.Now())
		if err != nil {
			g.fail(errors.Join(cause, err))
			return nil
		}
		l.Aside = aside
	}
	g.log.Error("the log of the configuration is lost: this node asks the leader to take it in anew, SIP goes on", "err", cause, "kept_as", l.Aside)
	g.lost.Store(l)
	return nil
}

// ofTheMachine tells a disk that does not give the files from files that are damaged.
func ofTheMachine(err error) bool {
	var path *os.PathError
	return errors.As(err, &path) || errors.Is(err, berrors.ErrTimeout)
}

// comeBack asks the leader, wherever it is, until it has taken this node out of Raft's
// configuration, and opens an empty log then.
func (g *Group) comeBack(ctx context.Context) error {
	l := g.lost.Load()
	if l == nil {
		return nil
	}
	var over atomic.Bool
	go g.turnAway(&over)
	defer over.Store(true)
	tick := time.NewTicker(returnEach)
	defer tick.Stop()
	for !g.askToReturn(ctx) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	g.cfg.Member = false // its state is gone as far as the group is concerned
	if err := g.open(); err != nil {
		g.lost.Store(nil)
		g.fail(err)
		return nil
	}
	g.log.Info("taken in anew: the configuration follows")
	now := *l
	now.Waits = false
	g.lost.Store(&now)
	return nil
}

// turnAway ends the connections that come for Raft meanwhile, and perhaps the first
// that comes when that is over: whoever made it makes another.
func (g *Group) turnAway(over *atomic.Bool) {
	for !over.Load() {
		conn, err := g.cfg.Listener.Accept()
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

// askToReturn asks each other node of the roster, of whom one may lead.
func (g *Group) askToReturn(ctx context.Context) bool {
	for _, n := range g.machine.View().Nodes() {
		if n.GetId() != g.cfg.Self.GetId() && g.askToReturnAt(ctx, n.GetId(), g.cfg.Address(n.GetId())) {
			return true
		}
	}
	return slices.ContainsFunc(g.cfg.Through, func(addr string) bool { return g.askToReturnAt(ctx, "", addr) })
}

// askToReturnAt asks the node of that id, "" for whoever is there.
func (g *Group) askToReturnAt(ctx context.Context, id, addr string) bool {
	dial := func(_, addr string) (*grpc.ClientConn, error) { return g.cfg.DialGRPC(id, addr) }
	_, err := askAt(ctx, addr, dial, func(ctx context.Context, conn *grpc.ClientConn) (*peerpb.ReturnResponse, error) {
		return peerpb.NewConsensusClient(conn).Return(ctx, &peerpb.ReturnRequest{ClusterId: g.lineage(), Node: g.cfg.Self.GetId()})
	})
	if err != nil {
		g.log.Debug("asked to be taken in anew", "peer", id, "addr", addr, "err", err)
	}
	return err == nil
}

// Return takes a node that lost its log out of Raft's configuration, as which it has
// voted. The roster has it still, so it comes in as a follower next.
func (s *server) Return(ctx context.Context, r *peerpb.ReturnRequest) (*peerpb.ReturnResponse, error) {
	if err := s.check(r.GetClusterId()); err != nil {
		return nil, toStatus(err)
	}
	g, peer := s.g, s.g.cfg.Clients.Peer(ctx)
	if g.machine.View().Security() != nil && peer != r.GetNode() || r.GetNode() == g.cfg.Self.GetId() || g.machine.View().Node(r.GetNode()) == nil {
		return nil, toStatus(&fsm.Rejection{Kind: fsm.ErrDenied, Mutation: 1, Text: "a node comes back in its own name"})
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	if err := g.settle(ctx); err != nil {
		return nil, toStatus(err)
	}
	g.log.Warn("a node lost its log: it is taken in anew", "node", r.GetNode())
	err := g.await(ctx, g.raft.RemoveServer(raft.ServerID(r.GetNode()), 0, g.cfg.Timeout))
	return &peerpb.ReturnResponse{}, toStatus(err)
}

func (l *Lost) err() error {
	if l == nil || !l.Waits {
		return nil
	}
	return fmt.Errorf("%w: %w (%s): the leader has not taken this node in yet", ErrFailed, errLost, l.Why)
}
