package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// CallRouter routes the calls that wait at a routing point of one node, over
// that node's default port, to agents whom it has reserved and to others, whom
// somebody else may have reserved. Now and then it dies with what it holds.
type CallRouter struct {
	*Site
	Name string
	Node *cluster.Node
	// RoutingPoint whose calls it takes.
	RoutingPoint string
	// Routed are the agents that it sends calls to, Reserved those that it only
	// reserves besides.
	Routed, Reserved []string
	// Every is the mean time between two reservations that are for no call.
	Every time.Duration

	session *tsession
	process string
	born    int
}

// Run routes until ctx ends.
func (w *CallRouter) Run(ctx context.Context) error {
	r := w.random(w.Name)
	defer func() { w.die() }()
	for ctx.Err() == nil {
		if w.session == nil || w.session.over() {
			if w.connect(ctx); w.session == nil && !pause(ctx, between(r, w.Every/2, w.Every)) {
				return nil
			}
			continue
		}
		w.next(ctx, r)
	}
	return nil
}

// next routes a call that waits, or reserves an agent when there is none.
func (w *CallRouter) next(ctx context.Context, r *rand.Rand) {
	timer := time.NewTimer(between(r, w.Every/2, w.Every*3/2))
	defer timer.Stop()
	select {
	case e := <-w.session.told:
		if e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST {
			w.route(ctx, r, e.GetCall().GetConnId())
		}
	case <-timer.C:
		dns, most := w.Routed, 2*longest
		if r.IntN(2) == 0 {
			dns, most = w.Reserved, acrossCuts
		}
		switch r.IntN(8) {
		case 0: // dies, with what it wanted for long
			w.reserve(ctx, r, dns[r.IntN(len(dns))], leftBehind)
			w.die()
		default:
			w.reserve(ctx, r, dns[r.IntN(len(dns))], most)
		}
	case <-w.session.ended:
	case <-ctx.Done():
	}
}

func (w *CallRouter) connect(ctx context.Context) {
	if w.session = nil; !w.Node.Running() {
		return
	}
	w.born++
	w.process = fmt.Sprintf("%s/%d", w.Name, w.born)
	s, err := connectTo(ctx, cluster.DefaultPort, w.Node, w.Node.Phones(), w.process)
	if err != nil {
		return
	}
	e, err := s.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{
		Dn: w.RoutingPoint, Mode: tlibpb.AddressMode_ADDRESS_MODE_SHARED,
	}}})
	if err != nil || e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_REGISTERED {
		s.hangUp()
		return
	}
	w.session = s
}

// leftBehind is how long a router may want an agent behind which it dies, acrossCuts one to
// whom nobody sends calls: longer than a lease, and than most cuts.
const leftBehind, acrossCuts = time.Minute, 15 * time.Second

// die ends the session without a word; what it reserved ends by itself.
func (w *CallRouter) die() {
	if w.session != nil {
		w.hangUp(w.session, w.op(history.Op{Kind: history.HangUp}))
		w.session = nil
	}
}

// route sends a call on.
func (w *CallRouter) route(ctx context.Context, r *rand.Rand, conn string) {
	dn := w.Routed[r.IntN(len(w.Routed))]
	if r.IntN(4) == 0 && w.reserve(ctx, r, dn, longest).Outcome != history.OK {
		dn = w.Routed[r.IntN(len(w.Routed))]
	}
	op := w.Record.Invoke(w.op(history.Op{Kind: history.Route, Key: dn, Result: conn}))
	e, err := w.session.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RouteCall{RouteCall: &tlibpb.RouteCall{
		ConnId: conn, Destination: &tlibpb.RouteCall_Dn{Dn: dn},
	}}})
	sessionOutcome(&op, e, err)
	op.Result = conn
	w.Record.Return(op)
}

func (w *CallRouter) reserve(ctx context.Context, r *rand.Rand, dn string, most time.Duration) history.Op {
	op := w.Record.Invoke(w.op(history.Op{Kind: history.Reserve, Key: dn, Expires: between(r, shortest, most).Truncate(time.Millisecond)}))
	e, err := w.session.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{
		Dn: dn, Duration: durationpb.New(op.Expires.Truncate(time.Millisecond)), Priority: uint32(r.IntN(5)),
	}}})
	sessionOutcome(&op, e, err)
	return w.Record.Return(op)
}

func (w *CallRouter) op(op history.Op) history.Op {
	op.Process, op.Arg, op.Node, op.Home = w.process, w.process, w.Node.Name(), w.Node.Name()
	return op
}
