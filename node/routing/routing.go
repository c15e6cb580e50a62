// Package routing decides where this node's calls go, and follows each of them
// to its end: to a DN wherever it is, out by a trunk, or at a routing point to
// the agent whom a router or the built-in strategy picks, for which calls wait
// in queues. The SIP proxy gives it the calls and sends them; sessions bring the
// routers' answers. It knows neither SIP nor sessions.
package routing

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/quota"
	"github.com/sipcluster/sipcluster/node/refusal"
)

const (
	// holdTime is how long a reservation lasts at most that a call takes: it is given
	// back when the try is over, and not renewed when that is not heard, or this node dies.
	holdTime = 4 * time.Minute
)

// Visit is what happens to a call at a routing point of this node.
type Visit struct {
	Message tlibpb.Message
	Call    *call.Call
	RP      dn.Number
	// To is where it leaves for.
	To string
	// Tried is where it was sent to from there in vain, the last ones.
	Tried []Try
	// Cause is the SIP status by which an abandoned call ended there.
	Cause int
	// Answers is the Route.Request that this answers; with MESSAGE_EVENT_ERROR, which is
	// for who asked alone, Refused says why nothing came of it.
	Answers uint64
	Refused *refusal.Error
}

// Try is what became of a call at a DN that did not take it.
type Try struct {
	DN dn.Number
	// Code of the answer; 0 when it was not sent there. Why says more; "" nothing.
	Code int
	Why  string
}

// Announcer tells the sessions of this node's default port what happens at
// routing points.
type Announcer interface {
	Announce(Visit)
	// Routers tells whether a router registered the routing point there.
	Routers(rp dn.Number) bool
}

// Config of an Engine. All fields but MaxWaiting and Behind must be set.
type Config struct {
	Table *dn.Table
	Calls *call.Table
	View  func() *fsm.View
	// Behind tells whether View may be behind the configuration of the cluster: no call is
	// denied by it then. nil means never.
	Behind    func() bool
	Agents    *agent.Registry
	Announcer Announcer
	// MaxWaiting calls for one group; 0 means 10,000.
	MaxWaiting int
	Log        *slog.Logger
}

// Engine sends calls to where they belong.
type Engine struct {
	table     *dn.Table
	calls     *call.Table
	view      func() *fsm.View
	behind    func() bool
	agents    *agent.Registry
	announcer Announcer
	log       *slog.Logger
	tail      *dn.Stream
	directory directory
	queues    *queues
	rings     *rings
	visits    *visits
	quotas    *quota.Table
	times     times
}

// New makes the routing of a node's calls.
func New(cfg Config) *Engine {
	if cfg.Behind == nil {
		cfg.Behind = func() bool { return false }
	}
	return &Engine{
		table: cfg.Table, calls: cfg.Calls, view: cfg.View, behind: cfg.Behind, agents: cfg.Agents, announcer: cfg.Announcer, log: cfg.Log, tail: cfg.Table.Tail(),
		queues: newQueues(cmp.Or(cfg.MaxWaiting, 10_000)), rings: newRings(), visits: newVisits(), quotas: quota.New(), times: newTimes(),
	}
}

// Run watches the DNs for the calls that ring or wait, until the context ends.
func (r *Engine) Run(ctx context.Context) error {
	var buf []dn.Item
	for {
		var err error
		if buf, err = r.tail.Next(ctx, buf[:0]); err != nil {
			return err
		}
		for i := range buf {
			if buf[i].Kind == feed.Row || buf[i].Kind == feed.Change {
				r.changed(&buf[i])
			}
		}
	}
}

// changed gives up what rings at a DN that is lost, and wakes the first call
// that waits for an agent of its groups.
func (r *Engine) changed(it *dn.Item) {
	st := &it.Status
	switch {
	case st.State != dn.InSrv:
		r.rings.lose(st.Number, anyNode)
		return
	case it.What == dn.OwnerChange || it.Kind == feed.Row:
		r.rings.lose(st.Number, r.table.Lost)
	}
	if r.queues.empty() {
		return
	}
	config := r.view().DN(string(st.Number))
	r.queues.wake(config.GetGroups()...)
}

func anyNode(dn.Node) bool { return true }

// reserve takes the agent for a call; what gives it back.
func (r *Engine) reserve(ctx context.Context, n dn.Number, holder, insteadOf string) (giveBack func(), err error) {
	request := agent.Reservation{Holder: holder, Duration: holdTime, AtOnce: true, InsteadOf: insteadOf}
	if err := r.agents.Reserve(ctx, n, request); err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), agent.AnswerTimeout)
		defer cancel()
		var refused *refusal.Error
		if err := r.agents.Reserve(ctx, n, agent.Reservation{Holder: holder}); err != nil && !errors.As(err, &refused) {
			r.log.Debug("a reservation ends by itself, not given back", "dn", string(n), "err", err)
		}
	}, nil
}
