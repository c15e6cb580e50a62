package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// AgentChange is a request about the agent at a DN.
type AgentChange struct {
	Request tcpb.AgentRequest
	// AgentID to log in. With another request it may be empty; otherwise it has
	// to be who is logged in.
	AgentID string
	// Mode is not looked at when logging out.
	Mode dn.WorkMode
	// Reasons in any order; no key twice.
	Reasons []dn.KeyValue
}

// Request is one for the reservation of a DN.
type Request struct {
	// Holder is unique in the cluster, 1 to 128 bytes.
	Holder string
	// Duration from when it is granted, at most an hour, in whole ms; 0 cancels
	// the holder's reservation.
	Duration time.Duration
	// Priority: the highest one of those that are collected wins.
	Priority uint32
	// AtOnce: nothing is collected, a call is on its way. A reservation of
	// InsteadOf, who wants the call sent there, is taken over.
	AtOnce    bool
	InsteadOf string
}

// Done is what the DN's keeper says of the agent after a request.
type Done struct {
	Agent *dn.Agent
	// Version of that word, to find it in the table's stream.
	Version dn.Version
}

// OwnerConfig of an Owner. All but Log must be set.
type OwnerConfig struct {
	Table *dn.Table
	View  func() *fsm.View
	// Dial returns a connection to another node's cluster port, at once.
	Dial func(dn.Node) (grpc.ClientConnInterface, error)
	// Dir of the agent store; it is made when missing.
	Dir string
	// Log; nil discards.
	Log *slog.Logger
}

// Owner is the owner's side of agents and reservations. The node that keeps a
// DN, its owner or the last one while it is out of service, is the only one
// that writes them; a request made elsewhere is passed on to it. Its methods
// may be called by many goroutines at once; none waits under a lock.
//
// The same agent may be logged in at several DNs: each has its own keeper, and
// no node could forbid it during a cut.
type Owner struct {
	cfg   OwnerConfig
	table *dn.Table
	log   *slog.Logger
	store *agentStore

	mu     sync.Mutex
	rounds map[dn.Number]*round
	agenda agenda
	// stopped: nobody keeps the agenda any more.
	stopped bool
	// changed wakes the one that keeps the agenda.
	changed chan struct{}

	busyMu sync.Mutex
	busy   map[dn.Number]int      // calls at the DNs that are kept here
	unsaid map[dn.Number]struct{} // those whose calls have changed since the table was told
	called chan struct{}          // wakes the one that tells it
}

// OpenOwner opens the agent store. A damaged one is set aside, with a line in
// the log, and one that can't be written now is written later: the only errors
// are a Config without a field and ErrAgentsInUse.
func OpenOwner(cfg OwnerConfig) (*Owner, error) {
	if cfg.Table == nil || cfg.View == nil || cfg.Dial == nil || cfg.Dir == "" {
		return nil, errors.New("session: an owner needs Table, View, Dial and Dir")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	store, err := openAgentStore(cfg.Dir, cfg.Log)
	if err != nil {
		return nil, err
	}
	return &Owner{
		cfg: cfg, table: cfg.Table, log: cfg.Log, store: store,
		rounds: map[dn.Number]*round{}, agenda: newAgenda(), changed: make(chan struct{}, 1),
		busy: map[dn.Number]int{}, unsaid: map[dn.Number]struct{}{}, called: make(chan struct{}, 1),
	}, nil
}

// Run does what requests wait for: it stores agents, also those that came
// along with a move, decides about reservations and ends them. It returns the
// context's error.
func (o *Owner) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return o.store.run(ctx) })
	g.Go(func() error { return o.follow(ctx) })
	g.Go(func() error { return o.keepAgenda(ctx) })
	g.Go(func() error { return o.sayBusy(ctx) })
	return g.Wait()
}

// Close writes what is not written yet and closes the store, after Run.
func (o *Owner) Close() error { return o.store.close() }

// Failing returns why agents can't be stored at present, nil when they can.
func (o *Owner) Failing() error { return o.store.failing() }

// configured returns the DN when it can have an agent.
func (o *Owner) configured(n dn.Number) (*configpb.DN, *Error) {
	d := o.cfg.View().DN(string(n))
	switch {
	case d == nil:
		return nil, fail(tlibpb.ErrorCode_NOT_CONFIGURED, "DN %.64s is not configured", n)
	case d.GetKind() != configpb.DNKind_DN_KIND_SIP && d.GetKind() != configpb.DNKind_DN_KIND_PSTN:
		return nil, fail(tlibpb.ErrorCode_INVALID_ATTRIBUTE, "DN %s is of another kind than sip and pstn: no agent works there", n)
	}
	return d, nil
}

// name of a node for people.
func (o *Owner) name(id dn.Node) string {
	if name := o.cfg.View().Node(string(id)).GetName(); name != "" {
		return name
	}
	return string(id)
}
