package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// compareEvery is how often the leader asks all nodes for their sums, and how often
	// a node that has to takes its state anew.
	compareEvery = 10 * time.Second
	// compareWait bounds an answer; the node that is asked waits half of it for its log.
	compareWait = 2 * time.Second
	// snapshotPiece is the size of the messages that a state is sent in.
	snapshotPiece = 64 << 10
)

// compared is what the last comparison found.
type compared struct {
	mu      sync.Mutex
	differs []string // ids of the nodes that have another state at the same index
	sources []string // of those whose state is to be taken
}

func (c *compared) set(differs, sources []string) {
	slices.Sort(differs)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.differs, c.sources = differs, sources
}

// Differing are the ids of the nodes that had another state than this one at the
// same index, when they were compared last, while no majority said who is wrong.
func (g *Group) Differing() []string {
	g.compared.mu.Lock()
	defer g.compared.mu.Unlock()
	return slices.Clone(g.compared.differs)
}

// compare looks whether all nodes have the same state: at the leader regularly, and
// elsewhere when somebody who asked had another one.
func (g *Group) compare(ctx context.Context) error {
	tick := time.NewTicker(g.cfg.CompareEvery)
	defer tick.Stop()
	for {
		regular := false
		select {
		case <-ctx.Done():
			return nil
		case <-g.suspicion:
		case <-tick.C:
			regular = true
		}
		switch parked := g.machine.Parked(); {
		case errors.Is(parked, fsm.ErrDiverged):
			g.takeAnew(ctx)
		case parked == nil && (!regular || g.raft.State() == raft.Leader || len(g.Differing()) > 0):
			g.compareOnce(ctx)
		}
	}
}

func (g *Group) compareOnce(ctx context.Context) {
	own, nodes := g.machine.Mark(), g.machine.View().Nodes()
	if own.Index == 0 {
		return
	}
	others := map[string]fsm.Sum{}
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, n := range nodes {
		if n.GetId() == g.cfg.Self.GetId() {
			continue
		}
		asked.Go(func() {
			if sum, ok := g.sumOf(ctx, n.GetId(), own); ok {
				mu.Lock()
				defer mu.Unlock()
				others[n.GetId()] = sum
			}
		})
	}
	asked.Wait()
	v, who := judge(own.Sum, others, len(nodes))
	switch v {
	case agreed:
		g.compared.set(nil, nil)
	case differs:
		if len(g.Differing()) == 0 {
			g.log.Error("the configuration differs between nodes at the same index", "index", own.Index, "sum", own.Sum, "nodes", strings.Join(who, " "))
		}
		g.compared.set(who, nil)
	case outvoted:
		g.compared.set(nil, who)
		_ = g.machine.Park(fmt.Errorf("%w, at index %d", fsm.ErrDiverged, own.Index))
		g.takeAnew(ctx)
	}
}

// sumOf asks a node for its sum at our mark; false when it can't be reached or does
// not know.
func (g *Group) sumOf(ctx context.Context, id string, own fsm.Mark) (fsm.Sum, bool) {
	ctx, cancel := context.WithTimeout(ctx, compareWait)
	defer cancel()
	conn, err := g.connect(ctx, id)
	if err != nil {
		return fsm.Sum{}, false
	}
	defer conn.Close()
	r, err := peerpb.NewConsensusClient(conn).Compare(ctx, &peerpb.CompareRequest{ClusterId: g.ClusterID(), Index: own.Index, Sum: own.Sum[:]})
	if err != nil {
		return fsm.Sum{}, false
	}
	return fsm.ParseSum(r.GetSum())
}

// connect returns a connection of one's own to a node of the roster, which stands.
func (g *Group) connect(ctx context.Context, id string) (*grpc.ClientConn, error) {
	addr := g.cfg.Address(id)
	if addr == "" {
		return nil, fmt.Errorf("node %s is not in the roster", id)
	}
	conn, err := g.cfg.DialGRPC(id, addr)
	if err != nil {
		return nil, err
	}
	if err := standing(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// takeAnew replaces a state that was outvoted by that of one of the majority.
func (g *Group) takeAnew(ctx context.Context) {
	g.compared.mu.Lock()
	sources := g.compared.sources
	g.compared.mu.Unlock()
	for _, id := range sources {
		if err := g.takeFrom(ctx, id); err != nil {
			g.log.Warn("taking the configuration anew failed, to be tried again", "peer", id, "err", err)
			continue
		}
		g.log.Warn("the configuration was taken anew", "peer", id, "index", g.machine.Mark().Index)
		_ = g.await(ctx, g.raft.Snapshot()) // otherwise the last one has what was wrong
		return
	}
}

func (g *Group) takeFrom(ctx context.Context, id string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := g.connect(ctx, id)
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := peerpb.NewConsensusClient(conn).Snapshot(ctx, &peerpb.SnapshotRequest{ClusterId: g.ClusterID(), Index: g.machine.Fed()})
	if err != nil {
		return err
	}
	return g.machine.Replace(&pieces{next: s.Recv}, g.logged)
}

// logged reads entries of the log.
func (g *Group) logged(from, to uint64) ([]*raft.Log, error) {
	var logs []*raft.Log
	for i := from; i <= to; i++ {
		l := &raft.Log{}
		if err := g.store.GetLog(i, l); err != nil {
			return nil, err
		}
		logs = append(logs, l)
	}
	return logs, nil
}

// pieces reads what comes in messages.
type pieces struct {
	next func() (*peerpb.SnapshotResponse, error)
	rest []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		r, err := p.next()
		if err != nil {
			return 0, err
		}
		p.rest = r.GetData()
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Compare tells another node our sum.
func (s *server) Compare(ctx context.Context, r *peerpb.CompareRequest) (*peerpb.CompareResponse, error) {
	if err := s.check(r.GetClusterId()); err != nil {
		return nil, toStatus(err)
	}
	ctx, cancel := context.WithTimeout(ctx, compareWait/2)
	defer cancel()
	_ = s.g.machine.Wait(ctx, r.GetIndex())
	ours, known := s.g.machine.MarkAt(r.GetIndex())
	if !known || s.g.machine.Parked() != nil {
		return &peerpb.CompareResponse{}, nil
	}
	if theirs, ok := fsm.ParseSum(r.GetSum()); ok && theirs != ours.Sum {
		s.g.suspicion.Send()
	}
	return &peerpb.CompareResponse{Sum: ours.Sum[:]}, nil
}

// Snapshot sends our state to a node that has lost its own.
func (s *server) Snapshot(r *peerpb.SnapshotRequest, to grpc.ServerStreamingServer[peerpb.SnapshotResponse]) error {
	if err := s.check(r.GetClusterId()); err != nil {
		return toStatus(err)
	}
	ctx, cancel := context.WithTimeout(to.Context(), compareWait)
	defer cancel()
	if err := s.g.machine.Wait(ctx, r.GetIndex()); err != nil {
		return toStatus(err)
	}
	if err := s.g.machine.Parked(); err != nil {
		return toStatus(err)
	}
	_, err := s.g.machine.View().WriteTo(sender(func(b []byte) error {
		return to.Send(&peerpb.SnapshotResponse{Data: b})
	}))
	return toStatus(err)
}

// sender writes in messages.
type sender func(b []byte) error

func (s sender) Write(b []byte) (n int, err error) {
	for piece := range slices.Chunk(b, snapshotPiece) {
		if err := s(slices.Clone(piece)); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

var _ io.Writer = sender(nil)
