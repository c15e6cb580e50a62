// Package session is a node's Session Controller: the T-Library sessions of
// Stat Servers, desktop gateways and routers, and the DNs that they register. It
// reads the tables of DNs and calls and writes this node's pstn DNs; what is asked
// of an agent it passes to agent, and the routers' answers to routing. The gRPC
// services of the two ports give it their streams; it knows no SIP.
package session

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Port by which a session comes.
type Port uint8

const (
	// TCport shows the whole cluster.
	TCport Port = iota
	// DefaultPort shows what this node owns.
	DefaultPort
)

func (p Port) String() string {
	if p == DefaultPort {
		return "default"
	}
	return "TCport"
}

// MaxSessions that a node serves at a time, and those of one source.
const MaxSessions, MaxSessionsEach = 8192, 4096

// Config of a Controller. Table, Calls, Machine, Agents, Addresses and Log must
// be set.
type Config struct {
	Table     *dn.Table
	Calls     *call.Table
	Machine   *fsm.Machine
	Agents    *agent.Registry
	Addresses *Addresses
	// Router takes RouteCall; without one it is not supported.
	Router Router
	// Release hangs up to both sides of one of this node's answered calls, which is over
	// then; without it ReleaseCall is not supported.
	Release func(call.ID)
	// Version of the program, for EventServerInfo.
	Version string
	// MaxSessions at a time, and of one source (access.Network); 0 means MaxSessions and MaxSessionsEach.
	MaxSessions, MaxSessionsEach int
	Log                          *slog.Logger
}

// Controller serves sessions. Sessions come and go by Serve.
type Controller struct {
	cfg       Config
	table     *dn.Table
	addresses *Addresses
	// changes of the configuration since New, when nothing was registered.
	changes *fsm.Watcher
	log     *slog.Logger
	stats   stats
	// requests numbers what routers ask for.
	requests atomic.Uint64
	// monitors are the sessions that monitor all.
	monitors atomic.Int64
	calls    broadcast
	sites    sites
	// room has a place for each session.
	room *access.Room
}

type stats struct {
	requests, refused, events atomic.Uint64
	dropped                   atomic.Uint64
}

// Stats of the sessions.
type Stats struct {
	// Sessions that are connected, and DNs registered by them and by those in grace.
	Sessions, Addresses int
	// Requests taken, those answered by EventError, events sent, sessions
	// dropped because their client read nothing.
	Requests, Refused, Events, Dropped uint64
}

// New makes a Controller.
func New(cfg Config) *Controller {
	if cfg.MaxSessions == 0 {
		cfg.MaxSessions = MaxSessions
	}
	if cfg.MaxSessionsEach == 0 {
		cfg.MaxSessionsEach = min(MaxSessionsEach, cfg.MaxSessions)
	}
	return &Controller{cfg: cfg, room: access.NewRoom(cfg.MaxSessions, cfg.MaxSessionsEach), table: cfg.Table, changes: cfg.Machine.Tail(), log: cfg.Log, addresses: cfg.Addresses}
}

// Stats of this moment.
func (c *Controller) Stats() Stats {
	c.addresses.mu.Lock()
	addresses := len(c.addresses.of)
	c.addresses.mu.Unlock()
	return Stats{
		Sessions: c.room.Taken(), Addresses: addresses, Requests: c.stats.requests.Load(), Refused: c.stats.refused.Load(),
		Events: c.stats.events.Load(), Dropped: c.stats.dropped.Load(),
	}
}

func (c *Controller) view() *fsm.View { return c.cfg.Machine.View() }

// Run applies changes of the configuration to what is registered, and ends
// what outlived its grace or a drain's time, until the context ends.
func (c *Controller) Run(ctx context.Context) error {
	defer c.changes.Close()
	changes := make(chan fsm.Changes)
	failed := make(chan error, 1)
	var desks sync.WaitGroup
	defer desks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	desks.Go(func() { c.addresses.followDesks(ctx) })
	go func() { failed <- forward(ctx, c.changes, changes) }()
	defer c.addresses.stopAll()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		at := time.Now()
		timer.Reset(min(c.addresses.endGrace(at), c.addresses.followDrain(at)))
		select {
		case err := <-failed:
			return err
		case ch := <-changes:
			c.addresses.reconcile(ch)
		case <-c.addresses.graceful:
		case <-timer.C:
		}
	}
}

// forward passes changes on until the context or the configuration ends.
func forward(ctx context.Context, w *fsm.Watcher, to chan<- fsm.Changes) error {
	for {
		ch, err := w.Next(ctx)
		switch {
		case errors.Is(err, fsm.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		select {
		case to <- ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pace is how long a session that monitors all collects events.
func (c *Controller) pace() time.Duration {
	return min(time.Duration(c.monitors.Load())*paceEach, maxPace)
}

// admit counts a session in.
func (c *Controller) admit(source netip.Addr) error {
	switch c.room.Enter(source) {
	case access.Full:
		return status.Errorf(codes.ResourceExhausted, "this node serves %d sessions already: use another node", c.cfg.MaxSessions)
	case access.FullFor:
		return status.Errorf(codes.ResourceExhausted, "this node serves %d sessions of your address already: use another node", c.cfg.MaxSessionsEach)
	}
	return nil
}

// info is what a client learns of this node.
func (c *Controller) info(p Port) *tlibpb.ServerInfo {
	view := c.view()
	self := view.Node(string(c.table.Self()))
	i := &tlibpb.ServerInfo{Node: self.GetName(), Site: self.GetSite(), Version: c.cfg.Version, Incarnation: c.table.Incarnation(), Port: tlibpb.Port_PORT_TCPORT}
	if p == DefaultPort {
		i.Port = tlibpb.Port_PORT_DEFAULT
	}
	for _, n := range nearFirst(view.Nodes(), self.GetSite()) {
		if c.table.Heard(dn.Node(n.GetId())) {
			i.Nodes = append(i.Nodes, n.GetName())
			if n.GetDraining() {
				i.Draining = append(i.Draining, n.GetName())
			}
		}
	}
	i.LostSites = c.sites.gone()
	return i
}

// newToken makes a session's secret.
func newToken() string { return rand.Text() }
