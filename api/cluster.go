package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/lag"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/problem"
)

// Peer is what this node knows of another one.
type Peer struct {
	ID dn.Node
	// Reachable: the peer is heard, its DNs count here. Reason says why not.
	Reachable bool
	Reason    string
	// Connecting: this process has never heard it.
	Connecting bool
	// Since is when Reachable last changed.
	Since time.Time
	// Gossip's opinion: "alive", "dead", "" when it has none.
	Gossip string
	Link   Link
	Part   Part
}

// Part is what a node is in the configuration plane.
type Part struct {
	// Role is "voter", "non-voter" or "learner", "" when that is not known.
	Role string
	// Lag is how far it is behind, nil when it has never said where it is.
	Lag *lag.Lag
}

// Link is what the T-Controller measures between this node and a peer. What
// was not measured is 0.
type Link struct {
	// RTT is the last round trip, ToPeer and FromPeer its two ways: estimates,
	// never negative.
	RTT, ToPeer, FromPeer time.Duration
	// ClockSkew is the peer's clock minus ours.
	ClockSkew time.Duration
	// LastAnswer is when the peer last answered a ping.
	LastAnswer time.Time
	// SendQueue counts the changes of this node's DNs that were not yet handed
	// to the link by which the peer follows.
	SendQueue uint64
	// SendQueueBytes wait in this node's kernel for the peer's acknowledgement,
	// ReceiveQueueBytes for this process, on the links of both directions.
	SendQueueBytes, ReceiveQueueBytes uint64
}

// sinceAnswer is how long ago the peer last answered; 0 when it never did.
func (l *Link) sinceAnswer() time.Duration {
	if l.LastAnswer.IsZero() {
		return 0
	}
	return max(time.Since(l.LastAnswer), 0)
}

// Raft is the state of the configuration plane at this node.
type Raft struct {
	// State is "leader", "follower", "candidate", "stalled" or "failed".
	State string
	// Leader is a node id, "" when there is none.
	Leader        string
	Term, Applied uint64
	// Quorum: a majority of the voters is reachable from here.
	Quorum bool
	// Level is the feature level, Features are those that the program knows.
	Level    uint32
	Features fsm.Features
	// Mark is that of the configuration, of index 0 before there is one.
	Mark fsm.Mark
	// Parked is why nothing is applied any more, "" while all is.
	Parked string
	// Part of the node itself.
	Part Part
}

// Observer is what the composition root tells about the running node. Its
// methods are quick and wait for nobody.
type Observer interface {
	// Peers are the other nodes of the roster, in any order.
	Peers() []Peer
	Raft() Raft
	// Problems are the open faults, in order.
	Problems() []problem.Problem
}

// Proposer writes to the configuration. Its errors are those of package consensus.
type Proposer interface {
	Propose(ctx context.Context, c *peerpb.Command) (index uint64, err error)
}

// ClusterConfig is what Cluster reads; every field is required.
type ClusterConfig struct {
	Table *dn.Table
	// Calls counts those that are up by a node.
	Calls func(dn.Node) int
	View  func() *fsm.View
	// Wait returns when the View includes the log entry, or with the context's error.
	Wait      func(ctx context.Context, index uint64) error
	Observer  Observer
	Proposer  Proposer
	ClusterID string
	Version   string
	Started   time.Time
}

// Cluster is the service of that name.
type Cluster struct {
	tcpb.UnimplementedClusterServer
	cfg ClusterConfig
	// nodeWatches has a place for each open WatchNode.
	nodeWatches places
}

// NewCluster returns the service; it starts nothing.
func NewCluster(c ClusterConfig) *Cluster {
	return &Cluster{cfg: c, nodeWatches: newPlaces("watches of nodes", maxNodeWatches)}
}

// Status tells how this node sees the cluster, waiting for nobody.
func (c *Cluster) Status(context.Context, *tcpb.StatusRequest) (*tcpb.StatusResponse, error) {
	view, raft := c.cfg.View(), c.cfg.Observer.Raft()
	n := &nodeNames{view: view}
	leader, _ := n.of(dn.Node(raft.Leader))
	self := c.cfg.Table.Self()
	answer := &tcpb.StatusResponse{
		Version: c.cfg.Version, Started: timestamppb.New(c.cfg.Started),
		Raft:     raftStatus(&raft, leader),
		Peers:    c.peers(view),
		Dns:      c.counts(view),
		Draining: view.Node(string(self)).GetDraining(), ClusterId: c.cfg.ClusterID,
		Insecure: view.Security() == nil,
		Recovery: view.Recovery(),
		Sites:    c.sites(view),
	}
	for _, p := range c.cfg.Observer.Problems() {
		answer.Warnings = append(answer.Warnings, p.String())
		answer.Problems = append(answer.Problems, &tcpb.Problem{Code: p.Code, Since: timestamppb.New(p.Since), Text: p.Text, Advice: p.Advice})
	}
	answer.Node, answer.Site = n.of(self)
	return answer, nil
}

func raftStatus(r *Raft, leader string) *tcpb.RaftStatus {
	s := &tcpb.RaftStatus{
		State: r.State, Leader: leader, Term: r.Term, AppliedIndex: r.Applied, Quorum: r.Quorum,
		FeatureLevel: r.Level, FeatureKnown: r.Features.Known, Features: featuresOf(r.Features), Parked: r.Parked, Role: r.Part.Role,
	}
	s.LagEntries, s.LagMs = r.Part.lag()
	if r.Mark.Index > 0 {
		s.Digest, s.DigestIndex = r.Mark.Sum.String(), r.Mark.Index
	}
	return s
}

// peers are ordered by name.
func (c *Cluster) peers(view *fsm.View) []*tcpb.PeerStatus {
	n := &nodeNames{view: view}
	var answer []*tcpb.PeerStatus
	for _, p := range c.cfg.Observer.Peers() {
		m := &tcpb.PeerStatus{
			Reachable: p.Reachable, Reason: p.Reason, Gossip: p.Gossip,
			RttMs: milliseconds(p.Link.RTT), ClockSkewMs: milliseconds(p.Link.ClockSkew),
			ToPeerMs: milliseconds(p.Link.ToPeer), FromPeerMs: milliseconds(p.Link.FromPeer), LastAnswerMs: milliseconds(p.Link.sinceAnswer()),
			SendQueue: p.Link.SendQueue, SendQueueBytes: p.Link.SendQueueBytes, ReceiveQueueBytes: p.Link.ReceiveQueueBytes,
			Owned:  uint64(c.cfg.Table.OwnedBy(p.ID)),
			TcAddr: view.Node(string(p.ID)).GetTcAddr(), Role: p.Part.Role,
		}
		m.LagEntries, m.LagMs = p.Part.lag()
		m.Node, m.Site = n.of(p.ID)
		if !p.Since.IsZero() {
			m.Since = timestamppb.New(p.Since)
		}
		answer = append(answer, m)
	}
	slices.SortFunc(answer, func(a, b *tcpb.PeerStatus) int { return cmp.Compare(a.Node, b.Node) })
	return answer
}

// counts are those of ListDNs: of the rows that it would give. However many these are,
// it takes as long.
func (c *Cluster) counts(view *fsm.View) *tcpb.DNCounts {
	open, strays := c.cfg.Table.Counts(dn.Served, dn.Stray), c.cfg.Table.Counts(dn.Stray)
	total, inService := view.NumDNs()+strays.Known, view.Standing()+open.InSrv-open.Unreached
	return &tcpb.DNCounts{
		Total: uint64(total), InService: uint64(inService), OutOfService: uint64(max(0, total-inService)), // the planes change apart
		Owned: uint64(open.Owned), WithStandby: uint64(open.Backed),
	}
}

func (p *Part) lag() (entries *uint64, ms *float64) {
	if p.Lag == nil {
		return nil, nil
	}
	return &p.Lag.Entries, new(milliseconds(p.Lag.For))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// RemoveNode takes a node off the roster.
func (c *Cluster) RemoveNode(ctx context.Context, req *tcpb.RemoveNodeRequest) (*tcpb.RemoveNodeResponse, error) {
	node, err := nodeOf(c.cfg.View(), req.GetName())
	if err != nil {
		return nil, err
	}
	if len(c.cfg.View().Nodes()) == 1 {
		return nil, status.Errorf(codes.FailedPrecondition, "node %s is the last one: a cluster needs a node", node.Name)
	}
	cmd := command([]*configpb.Mutation{{Op: &configpb.Mutation_DeleteNode{DeleteNode: node.Id}}})
	_, err = c.cfg.Proposer.Propose(ctx, cmd)
	answer := &tcpb.RemoveNodeResponse{}
	if r := (*fsm.Rejection)(nil); req.GetForce() && errors.As(err, &r) && errors.Is(r, fsm.ErrConflict) {
		answer.Lost, cmd.Force = r.Text, true
		_, err = c.cfg.Proposer.Propose(ctx, cmd)
	}
	if err != nil {
		return nil, StatusError(err)
	}
	return answer, nil
}

// DrainNode has a node's phones go to others, or lets it take part again.
func (c *Cluster) DrainNode(ctx context.Context, req *tcpb.DrainNodeRequest) (*tcpb.DrainNodeResponse, error) {
	err := rewrite(ctx, c.cfg.Proposer, c.cfg.View, c.cfg.Wait, func(view *fsm.View) (*configpb.Mutation, error) {
		node, err := nodeOf(view, req.GetName())
		if err != nil {
			return nil, err
		}
		changed := proto.CloneOf(node)
		switch {
		case req.GetUndo():
			changed.Draining, changed.DrainUntilMs, changed.DrainForMs = false, 0, 0
		case req.DeadlineMs != nil:
			changed.Draining, changed.DrainForMs = true, max(1, req.GetDeadlineMs())
			changed.DrainUntilMs = uint64(time.Now().UnixMilli()) + changed.GetDrainForMs()
		default:
			changed.Draining = true
		}
		if proto.Equal(changed, node) {
			return nil, nil
		}
		changed.Revision = 0
		return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: changed}, IfRevision: &node.Revision}, nil
	})
	if err != nil {
		return nil, err
	}
	return &tcpb.DrainNodeResponse{}, nil
}

func nodeOf(view *fsm.View, name string) (*configpb.Node, error) {
	node := view.NodeByName(name)
	if node == nil {
		return nil, status.Errorf(codes.NotFound, "no node is named %.40q in this cluster", name)
	}
	return node, nil
}

// featuresOf are the fields that came with the levels above 1, by level and name.
func featuresOf(f fsm.Features) []*tcpb.Feature {
	all := make([]*tcpb.Feature, 0, len(f.Since))
	for field, level := range f.Since {
		all = append(all, &tcpb.Feature{Field: strings.TrimPrefix(string(field), "sipcluster.config.v1."), Level: level})
	}
	slices.SortFunc(all, func(a, b *tcpb.Feature) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), strings.Compare(a.Field, b.Field))
	})
	return all
}
