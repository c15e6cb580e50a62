package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Call is an INVITE that arrived at this node, which can be sent on to one
// target after the other.
type Call interface {
	// Called is the user part of the Request-URI.
	Called() string
	Origin() Origin
	// Ring keeps the caller waiting: 180, again each minute.
	Ring()
	// Reject is the final answer.
	Reject(code int, reason string)
	// Try sends the call to a target and waits for the outcome; progress hears
	// the provisional answers. When ctx ends the target is told to stop.
	Try(ctx context.Context, t Target, progress func(code int)) Outcome
}

// Origin is where a call came from.
type Origin struct {
	// DN of the phone that proved to be it, or of the trunk.
	DN    dn.Number
	Trunk bool
	// Number that the caller shows.
	Number string
}

// Target of a try: one of the three.
type Target struct {
	// Deliver to the phones that registered the DN at this node.
	Deliver dn.Number
	// DN at another node, which has that SIP address.
	DN       dn.Number
	NodeAddr string
	// Number to leave by the trunk at that address.
	Number    string
	TrunkAddr string
	// NoAnswer ends the try after that time; 0: as long as SIP allows.
	NoAnswer time.Duration
}

// Outcome of a try.
type Outcome struct {
	// Answered: the call is up. Released is closed when it is over.
	Answered bool
	Released <-chan struct{}
	// Code and Reason of the final answer otherwise.
	Code   int
	Reason string
	// Retry: the target was not reached at all.
	Retry bool
}

const (
	// ringTime is how long an agent's phone may ring before the call goes back
	// to its routing point.
	ringTime = 20 * time.Second
	// holdTime is how long a reservation lasts that a call takes: it is given
	// back when the try is over, and ends by itself when this node dies.
	holdTime = 4 * time.Minute
	// maxTargets bounds the tries of one call.
	maxTargets = 20
)

// Visit is what happens to a call at a routing point of this node.
type Visit struct {
	Message tlibpb.Message
	Call    *call.Call
	RP      dn.Number
	// To is where it leaves for.
	To string
	// Tried are DNs that it was sent to from there in vain.
	Tried []dn.Number
}

// Announcer tells the sessions of this node's default port what happens at
// routing points.
type Announcer interface {
	Announce(Visit)
	// Routers tells whether a router registered the routing point there.
	Routers(rp dn.Number) bool
}

// RoutingConfig of a Routing. All fields must be set.
type RoutingConfig struct {
	Controller *Controller
	Calls      *call.Table
	Announcer  Announcer
	Log        *slog.Logger
}

// Routing sends calls to where they belong.
type Routing struct {
	c         *Controller
	calls     *call.Table
	announcer Announcer
	log       *slog.Logger
	tail      *dn.Stream
	directory directory

	mu sync.Mutex
	// lastUsed is when this node last sent a call to a DN, for the strategy.
	lastUsed map[dn.Number]int64
	// ringing are the tries at other nodes' DNs.
	ringing map[dn.Number]map[*context.CancelCauseFunc]struct{}
	// queues are the calls that wait for an agent of a group, and visits those
	// that wait for a router's word, by ConnID.
	queues map[string][]*waiter
	visits map[call.ID]*visit
	// stopped is closed when Run ends: nobody follows calls any more.
	stopped chan struct{}
}

// NewRouting makes the routing of a node's calls.
func NewRouting(cfg RoutingConfig) *Routing {
	return &Routing{
		c: cfg.Controller, calls: cfg.Calls, announcer: cfg.Announcer, log: cfg.Log, tail: cfg.Controller.table.Tail(), lastUsed: map[dn.Number]int64{},
		ringing: map[dn.Number]map[*context.CancelCauseFunc]struct{}{}, queues: map[string][]*waiter{}, visits: map[call.ID]*visit{}, stopped: make(chan struct{}),
	}
}

func (r *Routing) used(n dn.Number) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastUsed[n]
}

func (r *Routing) use(n dn.Number) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastUsed[n] = time.Now().UnixNano()
}

// dial sends a call to a DN wherever it is.
func (r *Routing) dial(ctx context.Context, in Call, config *configpb.DN, noAnswer time.Duration, on *journey) Outcome {
	n := dn.Number(config.GetNumber())
	st, _ := r.c.table.Get(n)
	switch {
	case config.GetDisabled():
		return Outcome{Code: 403, Reason: "DN is disabled"}
	case st.State != dn.InSrv:
		return Outcome{Code: 480, Reason: "DN is out of service"}
	}
	r.use(n)
	if config.GetKind() == configpb.DNKind_DN_KIND_PSTN {
		return r.leave(ctx, in, config.GetExternal(), n, noAnswer, on)
	}
	return r.try(ctx, in, r.target(&st, noAnswer), n, on)
}

// target is how a DN in service is reached from here.
func (r *Routing) target(st *dn.Status, noAnswer time.Duration) Target {
	if st.Owner == r.c.table.Self() {
		return Target{Deliver: st.Number, NoAnswer: noAnswer}
	}
	return Target{DN: st.Number, NodeAddr: r.c.view().Node(string(st.Owner)).GetSipAddr(), NoAnswer: noAnswer}
}

// leave sends a call to a number outside, by one trunk after the other until
// one takes it. It rings at the DN that the number stands for, or at the trunk.
func (r *Routing) leave(ctx context.Context, in Call, number string, as dn.Number, noAnswer time.Duration, on *journey) Outcome {
	trunks, _ := r.directory.read(r.c.view())
	out := Outcome{Code: 404, Reason: "No trunk for the number"}
	for _, t := range trunksFor(trunks, number) {
		party := as
		if party == "" {
			party = dn.Number(t.GetNumber())
		}
		out = r.try(ctx, in, Target{Number: number, TrunkAddr: t.GetTrunk().GetAddress(), NoAnswer: noAnswer}, party, on)
		if !out.Retry || ctx.Err() != nil {
			return out
		}
	}
	return out
}

// try sends the call to one target. A DN whose owner is lost while it rings is
// given up at once.
func (r *Routing) try(ctx context.Context, in Call, t Target, n dn.Number, on *journey) Outcome {
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	if t.NodeAddr != "" {
		defer r.watchOwner(n, &cancel)()
	}
	out := in.Try(ctx, t, func(code int) {
		if code > 100 {
			on.ringing(n)
		}
	})
	if errors.Is(context.Cause(ctx), errOwnerLost) && !out.Answered {
		out.Code, out.Reason, out.Retry = 480, "DN is out of service", true
	}
	on.tried(outer, n, out)
	return out
}

var errOwnerLost = errors.New("the DN's owner was lost")

// watchOwner cancels when the DN goes out of service here, until what it
// returns is called.
func (r *Routing) watchOwner(n dn.Number, cancel *context.CancelCauseFunc) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ringing[n] == nil {
		r.ringing[n] = map[*context.CancelCauseFunc]struct{}{}
	}
	r.ringing[n][cancel] = struct{}{}
	if st, _ := r.c.table.Get(n); st.State != dn.InSrv { // it was lost just now
		(*cancel)(errOwnerLost)
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.ringing[n], cancel); len(r.ringing[n]) == 0 {
			delete(r.ringing, n)
		}
	}
}

// Run watches the DNs for the calls that ring or wait, until the context ends.
func (r *Routing) Run(ctx context.Context) error {
	defer close(r.stopped)
	var buf []dn.Item
	for {
		var err error
		if buf, err = r.tail.Next(ctx, buf[:0]); err != nil {
			return err
		}
		for i := range buf {
			if buf[i].Kind == dn.Row || buf[i].Kind == dn.Change {
				r.changed(&buf[i].Status)
			}
		}
	}
}

// changed gives up what rings at a DN that is lost, and wakes the first call
// that waits for an agent of its groups.
func (r *Routing) changed(st *dn.Status) {
	config := r.c.view().DN(string(st.Number))
	r.mu.Lock()
	defer r.mu.Unlock()
	if st.State != dn.InSrv {
		for cancel := range r.ringing[st.Number] {
			(*cancel)(errOwnerLost)
		}
		return
	}
	for _, g := range config.GetGroups() {
		r.wake(g)
	}
}

// reserve takes the agent for a call; what gives it back.
func (r *Routing) reserve(ctx context.Context, n dn.Number, holder, insteadOf string) (giveBack func(), err error) {
	request := Request{Holder: holder, Duration: holdTime, AtOnce: true, InsteadOf: insteadOf}
	if err := r.c.cfg.Owner.Reserve(ctx, n, request); err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keeperTimeout)
		defer cancel()
		var refused *Error
		if err := r.c.cfg.Owner.Reserve(ctx, n, Request{Holder: holder}); err != nil && !errors.As(err, &refused) {
			r.log.Debug("a reservation lasts until it ends by itself", "dn", string(n), "err", err)
		}
	}, nil
}
