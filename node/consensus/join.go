package consensus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// joinTimeout bounds one attempt at one address.
	joinTimeout = 3 * time.Second
	joinPause   = 250 * time.Millisecond
)

// Join asks the nodes at addrs (cluster ports, any members) to take self into the
// roster of a cluster that asks nobody who he is. Asking twice is safe.
func Join(ctx context.Context, addrs []string, self *configpb.Node, dial func(id, addr string) (*grpc.ClientConn, error)) (*peerpb.JoinResponse, error) {
	return Ask(ctx, addrs, dial, func(ctx context.Context, conn *grpc.ClientConn) (*peerpb.JoinResponse, error) {
		return peerpb.NewConsensusClient(conn).Join(ctx, &peerpb.JoinRequest{Node: self})
	})
}

// Ask asks the nodes at addrs in turn, again and again until ctx ends, for something
// that may be asked twice. ErrNameTaken, ErrOtherCluster and ErrRejected end it at
// once. The error names the last answer of each address.
func Ask[T any](ctx context.Context, addrs []string, dial func(id, addr string) (*grpc.ClientConn, error), ask func(context.Context, *grpc.ClientConn) (T, error)) (T, error) {
	var none T
	if len(addrs) == 0 {
		return none, errors.New("joining: no address given")
	}
	for {
		var failed []error
		for _, a := range addrs {
			answer, err := askAt(ctx, a, dial, ask)
			if err == nil {
				return answer, nil
			}
			err = fmt.Errorf("joining at %s: %w", a, err)
			if final(err) {
				return none, err
			}
			failed = append(failed, err)
		}
		pause := time.NewTimer(joinPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return none, errors.Join(failed...)
		case <-pause.C:
		}
	}
}

func final(err error) bool {
	raced := errors.Is(err, fsm.ErrRevision) // the entry changed meanwhile
	return errors.Is(err, ErrOtherCluster) || errors.Is(err, ErrRejected) && !raced
}

func askAt[T any](ctx context.Context, addr string, dial func(id, addr string) (*grpc.ClientConn, error), ask func(context.Context, *grpc.ClientConn) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	var none T
	conn, err := dial("", addr)
	if err != nil {
		return none, err
	}
	defer conn.Close()
	if err := standing(ctx, conn); err != nil {
		return none, fmt.Errorf("no node answers there: %w", err)
	}
	answer, err := ask(ctx, conn)
	return answer, fromStatus(err)
}

// Bootstrap makes this node the first of a new cluster with that realm and what
// else it begins with, and returns when it leads. On a data directory that belongs to a cluster it does
// nothing; a Bootstrap that was interrupted is completed.
func (g *Group) Bootstrap(ctx context.Context, realm string, more ...*configpb.Mutation) error {
	if g.machine.View().Epoch() != "" {
		return nil
	}
	self := raft.ServerID(g.cfg.Self.GetId())
	err := g.await(ctx, g.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: self, Address: raft.ServerAddress(g.cfg.Self.GetClusterAddr())},
	}}))
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("bootstrapping: %w", err)
	}
	f := g.raft.GetConfiguration()
	if err := g.await(ctx, f); err != nil {
		return fmt.Errorf("bootstrapping: %w", err)
	}
	if s := f.Configuration().Servers; len(s) != 1 || s[0].ID != self {
		return fmt.Errorf("bootstrapping: %w, one that this node joined", ErrMember)
	}
	if err := g.begin(ctx, realm, more); err != nil {
		return fmt.Errorf("bootstrapping: %w", err)
	}
	return nil
}

// begin leads, and writes the first command unless the log has one: then the
// configuration store was lost and is back from the log. An election that is
// under way still may take the lead back for a moment; so it may be repeated.
func (g *Group) begin(ctx context.Context, realm string, more []*configpb.Mutation) error {
	cmd := proposal(
		&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: realm}}},
		&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: g.cfg.Self}},
	)
	cmd.Mutations = append(cmd.Mutations, more...)
	cmd.RequestId, cmd.NewEpoch, cmd.Level = uuid.NewString(), uuid.NewString(), g.cfg.Self.GetFeatureLevel()
	_, err := g.retry(ctx, func() (uint64, error) {
		if err := g.awaitLeading(ctx); err != nil {
			return 0, err
		}
		if err := g.settle(ctx); err != nil {
			return 0, err
		}
		if g.machine.View().Epoch() != "" {
			return 0, nil
		}
		return g.lead(ctx, cmd, Client{}, g.cfg.Self.GetId())
	})
	if err == nil && g.ClusterID() == cmd.NewEpoch {
		g.log.Info("cluster made", "cluster", g.ClusterID(), "realm", realm)
	}
	return err
}

// awaitLeading waits until the only voter has elected itself.
func (g *Group) awaitLeading(ctx context.Context) error {
	if g.raft.State() == raft.Follower {
		g.transport.electNow(raft.ServerID(g.cfg.Self.GetId()))
	}
	for {
		change := g.leaderChange()
		if g.raft.State() == raft.Leader {
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
