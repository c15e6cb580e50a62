// Package agent is the agents at the DNs that this node keeps, and who reserved
// them: login, ready and not ready, busy, reservations, and the store that
// brings them over a restart. It writes them into the table's records and passes
// what concerns another node's DN on to that node. It is neither a client's
// session nor the routing of a call, which both ask the Registry.
package agent

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// Config of a Registry. All but Left, MakeCall and Log must be set.
type Config struct {
	Table *dn.Table
	View  func() *fsm.View
	// Dial returns a connection to another node's cluster port, at once.
	Dial func(dn.Node) (grpc.ClientConnInterface, error)
	// Left hears of DNs that are out of service by the word of another node; it must not
	// wait. nil: nobody does.
	Left func(dn.Number)
	// MakeCall has a phone that is registered here call a number, and returns the call's
	// ConnID. nil: this node can't.
	MakeCall func(ctx context.Context, n dn.Number, number, requestID string) (conn string, err error)
	// Dir of the agent store; it is made when missing.
	Dir string
	// Log; nil discards.
	Log *slog.Logger
}

// Registry keeps the agents and reservations of the DNs that this node keeps.
// The node that keeps a DN, its owner or the last one while it is out of
// service, is the only one that writes them; a request made elsewhere is passed
// on to it. Its methods may be called by many goroutines at once; none waits
// under a lock.
//
// That an agent is logged in at one DN is the table's rule: no node could forbid a second
// login during a cut.
type Registry struct {
	cfg      Config
	table    *dn.Table
	log      *slog.Logger
	keepers  *keepers
	store    *store
	schedule *schedule
	holds    *holds
	seats    *seats
	// reserved is how long other nodes took to reserve their DNs.
	reserved histogram.Vec[dn.Node]
}

// Open opens the agent store. A damaged one is set aside, with a line in
// the log, and one that can't be written now is written later: the only errors
// are a Config without a field and ErrInUse.
func Open(cfg Config) (*Registry, error) {
	if cfg.Table == nil || cfg.View == nil || cfg.Dial == nil || cfg.Dir == "" {
		return nil, errors.New("agent: a registry needs Table, View, Dial and Dir")
	}
	if cfg.Left == nil {
		cfg.Left = func(dn.Number) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	store, err := openStore(cfg.Dir, cfg.Log)
	if err != nil {
		return nil, err
	}
	return &Registry{
		cfg: cfg, table: cfg.Table, log: cfg.Log, store: store, schedule: newSchedule(), holds: newHolds(), seats: newSeats(),
		keepers: &keepers{table: cfg.Table, view: cfg.View, dial: cfg.Dial, log: cfg.Log},
	}, nil
}

// Run does what requests wait for: it stores agents, also those that came
// along with a move, decides about reservations, renews and ends them. It returns the
// context's error.
func (reg *Registry) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return reg.store.run(ctx) })
	g.Go(func() error { return reg.follow(ctx) })
	g.Go(func() error { return reg.keepAgenda(ctx) })
	g.Go(func() error { return reg.keepHolds(ctx) })
	g.Go(func() error { return reg.tellSeats(ctx) })
	return g.Wait()
}

// Reserved is how long it took to reserve DNs that another node keeps, or to be refused: with
// what they were collected for, and those that got no answer.
func (reg *Registry) Reserved(keeper dn.Node) histogram.Reading {
	return reg.reserved.At(keeper).Read()
}

// Close writes what is not written yet and closes the store, after Run.
func (reg *Registry) Close() error { return reg.store.close() }

// Disk is what the store has under way.
func (reg *Registry) Disk() *disk.Watch { return reg.store.disk }

// Failing returns why agents can't be stored at present, nil when they can.
func (reg *Registry) Failing() error { return reg.store.failing() }

// configured returns the DN when it can have an agent.
func (reg *Registry) configured(n dn.Number) (*configpb.DN, *refusal.Error) {
	d := reg.cfg.View().DN(string(n))
	switch {
	case d == nil:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_NOT_CONFIGURED, "DN %.64s is not configured", n)
	case d.GetKind() != configpb.DNKind_DN_KIND_SIP && d.GetKind() != configpb.DNKind_DN_KIND_PSTN:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "DN %s is neither sip nor pstn: it has no agent", n)
	}
	return d, nil
}
