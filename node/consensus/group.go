// Package consensus is the Raft group that orders the writes of the
// configuration: opening and bootstrapping it, joining, proposing through any
// node, linearizable reads. The roster in package fsm is the truth of who
// belongs to the group; the leader derives Raft's own configuration from it.
// When a disk fails the group stops and says so; it never takes the process
// down, and the configuration stays readable. Called by node and, through
// interfaces of theirs, by the services of package api.
package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/disk"
)

// Settings of Raft that nobody needs to change; LeaderLease follows Election.
const (
	maxAppendEntries  = 256
	snapshotThreshold = 4096
	trailingLogs      = 10240
	keptSnapshots     = 2
	logCache          = 512
	commitTimeout     = time.Second // see nudge
	raftTimeout       = 10 * time.Second
	quietLog          = 30 * time.Second
	openTimeout       = time.Second
	closeTimeout      = 5 * time.Second
)

// Config of a Group; fields without a default are required.
type Config struct {
	// Dir holds Raft's log and snapshots; made when missing.
	Dir string
	// Self is this node's entry of the roster. Its id is the voter's identity:
	// a fresh data directory needs a fresh id.
	Self *configpb.Node
	// Reach looks whether a node that would join is where it says it is; nil: nobody looks.
	Reach func(ctx context.Context, node *configpb.Node) error
	// Own returns that entry as it should be in the roster now; nil: as Self.
	Own func() *configpb.Node
	// ClusterID as Join returned it; "" when the Machine knows it already, or
	// before Bootstrap.
	ClusterID string
	// Recovery is that which Join returned, or the operator chose, likewise.
	Recovery string
	// Member: this node belonged to the cluster before this start. A member without a
	// log has lost it, and comes back by way of the leader.
	Member bool
	// Through are cluster addresses at which other members may be, besides the roster's.
	Through []string
	// SnapshotAfter is the count of log entries behind which a snapshot is made,
	// and how many are kept besides it; looked at each second. 0 means 4,096,
	// with 10,240 kept, looked at every two minutes.
	SnapshotAfter uint64
	// Machine is the state machine; the Group applies to it and does not close it.
	Machine *fsm.Machine
	// Listener yields Raft's connections; Dial makes them, to the node of that id at
	// an address and to no other. The Group closes the Listener. A connection that
	// has PeerID, or wraps one that has, is of that node, and speaks for no other.
	Listener net.Listener
	Dial     func(ctx context.Context, id, addr string) (net.Conn, error)
	// DialGRPC returns a connection to the cluster port of a node, likewise; the
	// Group closes it. An id of "" is of whoever is at the address.
	DialGRPC func(id, addr string) (*grpc.ClientConn, error)
	// Clients knows who the clients are; nil: nobody is asked.
	Clients Clients
	// Address returns where a node of that id can be dialled, "" when unknown.
	// Nil: the roster's cluster_addr.
	Address func(id string) string
	// Election is the heartbeat and election timeout; 2 s. The lease is half of it.
	Election time.Duration
	// Timeout bounds Propose and ReadIndex in all; 1.8 s, so that a client hears
	// of a missing quorum within 2 s.
	Timeout time.Duration
	// Events is told of nodes that spoke in the name of another one; nil: nobody is.
	Events *security.Events
	// CompareEvery is how often the leader compares all nodes' states; 10 s.
	CompareEvery time.Duration
	// Log; nil discards.
	Log *slog.Logger

	news time.Duration // how often an idle leader tells what is committed; commitTimeout
}

// Group is this node's part in the Raft group.
type Group struct {
	cfg       Config
	log       *slog.Logger
	machine   *fsm.Machine
	raft      *raft.Raft
	store     *boltdb.BoltStore
	pulse     *os.File // nil where none could be made: a stall is noticed by the next write then
	beating   atomic.Bool
	transport *transport
	conns     conns
	settled   settled
	nudges    wake.Signal
	asked     atomic.Int64 // futures of Raft that it has not answered
	began     atomic.Bool  // it leads, and nobody was told yet of its first entry
	moved     wake.Signal  // this node's entry is to be looked at
	removals  removals
	since     atomic.Pointer[time.Time] // leading, if it leads
	lost      atomic.Pointer[Lost]
	disks     disks
	ledger    ledger
	trailing  uint64 // entries that are kept at most
	compared  compared
	suspicion wake.Signal // somebody has another state than this node
	forwarded histogram.Histogram
	closing   sync.Once
	closed    error

	mu      sync.Mutex
	leader  chan struct{} // closed and replaced when the leader changes
	failure error
	failed  chan struct{} // closed with failure set
}

// Open opens or makes the data directory and starts Raft's goroutines; they
// end with Close. Run is needed besides.
func Open(cfg Config) (*Group, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	g := &Group{
		cfg: cfg, log: cfg.Log, machine: cfg.Machine, conns: conns{dial: cfg.DialGRPC},
		leader: make(chan struct{}), failed: make(chan struct{}), nudges: wake.New(), moved: wake.New(), disks: newDisks(), suspicion: wake.New(), ledger: ledger{grown: wake.New()},
	}
	err = g.open()
	if err != nil && cfg.Member {
		err = g.openLost(err)
	}
	if err != nil {
		_ = cfg.Listener.Close()
		return nil, err
	}
	return g, nil
}

func (c Config) checked() (Config, error) {
	if c.Dir == "" || c.Self.GetId() == "" || c.Machine == nil || c.Listener == nil || c.Dial == nil || c.DialGRPC == nil {
		return c, errors.New("consensus: Dir, Self with an id, Machine, Listener, Dial and DialGRPC are required")
	}
	if c.Address == nil {
		view := c.Machine.View
		c.Address = func(id string) string { return view().Node(id).GetClusterAddr() }
	}
	if c.Own == nil {
		c.Own = func() *configpb.Node { return c.Self }
	}
	if c.Clients == nil {
		c.Clients = nobody{}
	}
	if c.Election == 0 {
		c.Election = 2 * time.Second
	}
	if c.CompareEvery == 0 {
		c.CompareEvery = compareEvery
	}
	if c.news == 0 {
		c.news = commitTimeout
	}
	if c.Timeout == 0 {
		c.Timeout = 1800 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (g *Group) open() error {
	if err := disk.MakeDir(g.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of the raft log: %w", err)
	}
	logger := newRaftLog(g.log, quietLog)
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(g.cfg.Dir, keptSnapshots, logger)
	if err != nil {
		return fmt.Errorf("opening the raft snapshots in %s: %w", g.cfg.Dir, err)
	}
	if err := g.openStore(); err != nil {
		return err
	}
	g.transport = newTransport(raft.NetworkTransportConfig{
		ServerAddressProvider: addresses(g.cfg.Address), Logger: logger, MaxPool: 3, Timeout: raftTimeout,
	}, newStream(g.cfg.Dial, g.cfg.Self, g.lineage), g.cfg.Listener, g.cfg.Events, g.nudge)
	h := halt(g.fail)
	safe := guard{ledgered{g.store, &g.ledger}, h, g.disks.log}
	err = g.apart(func() error {
		existing, err := raft.HasExistingState(safe, safe, snapshots)
		if err != nil {
			return err
		}
		if !existing && g.cfg.Member {
			return errLost
		}
		cache, err := raft.NewLogCache(logCache, safe)
		if err != nil {
			return err
		}
		c := g.raftConfig()
		c.Logger = logger
		g.raft, err = raft.NewRaft(c, machine{g.machine, h}, cache, safe, guardSnapshots{snapshots, filepath.Join(g.cfg.Dir, "snapshots"), h, g.disks.snapshots}, g.transport)
		return err
	})
	if err != nil {
		return errors.Join(fmt.Errorf("opening the log of the configuration in %s: %w", g.cfg.Dir, err), g.transport.leave(), g.closeStore())
	}
	g.observe()
	return nil
}

func (g *Group) openStore() (err error) {
	path := filepath.Join(g.cfg.Dir, logFile)
	err = g.apart(func() (err error) {
		// Its directory is synced with that: the snapshots' one is in it.
		if err := errors.Join(disk.MakeBolt(path), probe(path, &g.ledger)); err != nil {
			return err
		}
		g.store, err = openLog(path)
		return err
	})
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	g.pulse, _ = os.OpenFile(filepath.Join(g.cfg.Dir, pulseFile), os.O_CREATE|os.O_WRONLY, 0o600)
	return nil
}

// apart runs fn on a goroutine that may be halted.
func (g *Group) apart(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		defer close(done)
		done <- disk.Guard(fn)
	}()
	if err, ok := <-done; ok {
		return err
	}
	return g.cause()
}

func (g *Group) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(g.cfg.Self.GetId())
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = g.cfg.Election, g.cfg.Election, g.cfg.Election/2
	c.CommitTimeout = g.cfg.news
	c.MaxAppendEntries = maxAppendEntries
	c.BatchApplyCh = true
	c.SnapshotThreshold = snapshotThreshold
	c.TrailingLogs = trailingLogs
	if n := g.cfg.SnapshotAfter; n > 0 {
		c.SnapshotThreshold, c.TrailingLogs, c.SnapshotInterval = n, n, time.Second
	}
	g.trailing = c.TrailingLogs
	c.NoLegacyTelemetry = true
	return c
}

// observe wakes those who wait for a leader.
func (g *Group) observe() {
	g.raft.RegisterObserver(raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState:
			if o.Data == raft.Leader {
				now := time.Now()
				g.since.Store(&now)
				g.began.Store(true)
				g.nudge()
			}
			g.changed()
		case raft.ResumedHeartbeatObservation: // it may have been started anew
			g.nudge()
		}
		return false
	}))
}

func (g *Group) leaderChange() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leader
}

// Run derives Raft's configuration from the roster while this node leads, and
// keeps the node's own entry right. It returns nil when ctx ends; a failed
// disk does not end it, see Err.
func (g *Group) Run(ctx context.Context) error {
	if err := g.comeBack(ctx); err != nil || g.raft == nil {
		<-ctx.Done()
		return nil //nolint:nilerr // Err says what there is to say
	}
	e, ctx := errgroup.WithContext(ctx)
	g.electIfAlone(ctx)
	e.Go(func() error { return g.reconcile(ctx) })
	e.Go(func() error { return g.keepSelf(ctx) })
	e.Go(func() error { return g.tellCommits(ctx) })
	e.Go(func() error { return g.logLeaders(ctx) })
	e.Go(func() error { return g.watchDisks(ctx) })
	e.Go(func() error { return g.askTogether(ctx) })
	e.Go(func() error { return g.boundLog(ctx) })
	e.Go(func() error { return g.compare(ctx) })
	e.Go(func() error {
		select {
		case <-g.failed:
			g.raft.Shutdown()
			_ = g.transport.Close() // peers shall not wait for answers
		case <-ctx.Done():
		}
		return nil
	})
	return e.Wait()
}

// electIfAlone spares the only voter of a cluster the wait for a leader that
// can't come.
func (g *Group) electIfAlone(ctx context.Context) {
	f := g.raft.GetConfiguration()
	if g.await(ctx, f) != nil || g.raft.State() != raft.Follower {
		return
	}
	self, alone := raft.ServerID(g.cfg.Self.GetId()), false
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			if alone = s.ID == self; !alone {
				return
			}
		}
	}
	if alone {
		g.transport.electNow(self)
	}
}

func (g *Group) logLeaders(ctx context.Context) error {
	last := ""
	for {
		change := g.leaderChange()
		if s := g.Status(); s.LeaderName != last {
			last = s.LeaderName
			if last == "" {
				g.log.Warn("no leader: configuration is read-only until a majority of the nodes is reachable", "term", s.Term)
			} else {
				g.log.Info("configuration leader", "peer", last, "term", s.Term)
			}
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil
		}
	}
}

// Close stops Raft and closes its files; it waits for its goroutines.
func (g *Group) Close() error {
	g.closing.Do(func() {
		if g.raft == nil {
			g.closed = errors.Join(g.cfg.Listener.Close(), g.conns.close())
			return
		}
		g.answered()
		stopped := g.raft.Shutdown()
		g.closed = errors.Join(g.transport.Close(), stopped.Error(), g.conns.close(), g.closeStore())
	})
	return g.closed
}

// closeStore does not wait for ever: a transaction that panicked keeps bbolt locked.
func (g *Group) closeStore() error {
	done := make(chan error, 1)
	go func() { _ = g.pulse.Close(); done <- g.store.Close() }()
	patience := time.NewTimer(closeTimeout)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
		return fmt.Errorf("the raft log in %s could not be closed", g.cfg.Dir)
	}
}

// ClusterID is the epoch of the state machine, or what Join returned before
// the first entry arrived; "" before Bootstrap.
func (g *Group) ClusterID() string {
	if id := g.machine.View().Epoch(); id != "" {
		return id
	}
	return g.cfg.ClusterID
}

// lineage is what the nodes of this group have in common, and no others.
func (g *Group) lineage() string {
	if v := g.machine.View(); v.Epoch() != "" {
		return v.Lineage()
	}
	return fsm.Lineage(g.cfg.ClusterID, g.cfg.Recovery)
}

// fail marks the configuration plane failed; the first cause counts. It must
// not wait: Raft's goroutines call it.
func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failure != nil {
		return
	}
	g.failure = err
	close(g.failed)
	g.log.Error("the configuration plane stops, the configuration stays readable", "err", err)
}

// Failed is closed when a disk failed; Err tells why.
func (g *Group) Failed() <-chan struct{} { return g.failed }

// Err is nil while the group works, otherwise it wraps ErrFailed.
func (g *Group) Err() error {
	if err := g.lost.Load().err(); err != nil {
		return err
	}
	if err := g.cause(); err != nil {
		return fmt.Errorf("%w: %w: make room or repair the disk, then restart the node", ErrFailed, err)
	}
	return nil
}

func (g *Group) cause() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failure
}

// Status is how this node sees the group.
type Status struct {
	// State is leader, follower, candidate, stalled (it led until its disk stopped
	// answering) or failed.
	State string
	// Leader is the id of the leader's node, "" when none is known; LeaderName its name.
	Leader, LeaderName string
	Term               uint64
	// Applied is the log index of the last command that the View includes.
	Applied uint64
	// Quorum: a majority answered the leader lately, so writes can succeed.
	Quorum bool
}

// Status waits for nobody.
func (g *Group) Status() Status {
	s := Status{Applied: g.machine.View().Index()}
	if g.Err() != nil {
		s.State = "failed"
		return s
	}
	s.Term = g.raft.CurrentTerm()
	if g.transport.paused.Load() {
		s.State = "stalled"
		return s
	}
	switch g.raft.State() {
	case raft.Leader:
		s.State = "leader"
	case raft.Follower:
		s.State = "follower"
	default:
		s.State = "candidate"
	}
	_, id := g.raft.LeaderWithID()
	s.Leader, s.LeaderName, s.Quorum = string(id), g.machine.View().Node(string(id)).GetName(), id != ""
	if s.LeaderName == "" {
		s.LeaderName = s.Leader
	}
	return s
}
