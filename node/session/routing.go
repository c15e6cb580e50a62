package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// Call is an INVITE that arrived at this node, which can be sent on to one
// target after the other. None of the methods waits.
type Call interface {
	// Called is the user part of the Request-URI.
	Called() string
	Origin() Origin
	// GaveUp: the caller did, before there was an answer.
	GaveUp() bool
	// Ring keeps the caller waiting: 180, again each minute.
	Ring()
	// Reject is the final answer.
	Reject(code int, reason string)
	// Send sends the call to a target; progress hears the provisional answers,
	// and done the outcome, once. They must not wait. Stop tells the target to.
	Send(t Target, progress func(code int), done func(Outcome)) Stopper
	// Go runs f, which may wait, on a goroutine of its own. Its context ends when
	// the caller gives up or the node stops.
	Go(f func(ctx context.Context))
}

// Stopper is something under way that can be stopped.
type Stopper interface{ Stop() }

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
	// Answered: the call is up. Over has a function called when it is over.
	Answered bool
	Over     func(then func())
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

// RoutingConfig of a Routing. All fields but MaxWaiting must be set.
type RoutingConfig struct {
	Controller *Controller
	Calls      *call.Table
	Announcer  Announcer
	// MaxWaiting calls for one group; 0 means 10,000.
	MaxWaiting int
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
	places    int // in a queue

	mu sync.Mutex
	// lastUsed is when this node last sent a call to a DN, for the strategy.
	lastUsed map[dn.Number]int64
	sweepAt  int // how many of them are searched for DNs that are no more
	// ringing are the tries at other nodes' DNs.
	ringing map[dn.Number]map[*ring]struct{}
	// queues are the calls that wait for an agent of a group, and visits those
	// that wait for a router's word, by ConnID.
	queues map[string][]*waiter
	visits map[call.ID]*visit
}

// NewRouting makes the routing of a node's calls.
func NewRouting(cfg RoutingConfig) *Routing {
	return &Routing{
		c: cfg.Controller, calls: cfg.Calls, announcer: cfg.Announcer, log: cfg.Log, tail: cfg.Controller.table.Tail(), lastUsed: map[dn.Number]int64{},
		sweepAt: sweepUsed, places: cmp.Or(cfg.MaxWaiting, 10_000),
		ringing: map[dn.Number]map[*ring]struct{}{}, queues: map[string][]*waiter{}, visits: map[call.ID]*visit{},
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
	if len(r.lastUsed) >= r.sweepAt {
		view := r.c.view()
		maps.DeleteFunc(r.lastUsed, func(n dn.Number, _ int64) bool { return view.DN(string(n)) == nil })
		r.sweepAt = max(sweepUsed, 2*len(r.lastUsed))
	}
	r.lastUsed[n] = time.Now().UnixNano()
}

// sweepUsed is from how many DNs on lastUsed is searched for those that are no more.
const sweepUsed = 1024

// Run watches the DNs for the calls that ring or wait, until the context ends.
func (r *Routing) Run(ctx context.Context) error {
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
	if st.State != dn.InSrv {
		r.lose(st.Number)
		return
	}
	config := r.c.view().DN(string(st.Number))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range config.GetGroups() {
		r.wake(g)
	}
}

// reserve takes the agent for a call; what gives it back.
func (r *Routing) reserve(ctx context.Context, n dn.Number, holder, insteadOf string) (giveBack func(), err error) {
	request := agent.Reservation{Holder: holder, Duration: holdTime, AtOnce: true, InsteadOf: insteadOf}
	if err := r.c.cfg.Agents.Reserve(ctx, n, request); err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), agent.AnswerTimeout)
		defer cancel()
		var refused *refusal.Error
		if err := r.c.cfg.Agents.Reserve(ctx, n, agent.Reservation{Holder: holder}); err != nil && !errors.As(err, &refused) {
			r.log.Debug("a reservation lasts until it ends by itself", "dn", string(n), "err", err)
		}
	}, nil
}
