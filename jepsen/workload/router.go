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

// Router reserves agents at one node, in competition with the routers of the others.
type Router struct {
	*Site
	Name string
	Node *cluster.Node
	// DNs that it wants.
	DNs []string
	// Every is the mean time between two requests.
	Every time.Duration

	session *tsession
	process string
	born    int
}

// Reservations are short, so that there are many.
const shortest, longest = 300 * time.Millisecond, 2500 * time.Millisecond

// Run reserves until ctx ends.
func (w *Router) Run(ctx context.Context) error {
	r := w.random(w.Name)
	defer func() { w.end() }()
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		if w.session == nil || w.session.over() {
			w.connect(ctx)
			continue
		}
		dn := w.DNs[r.IntN(len(w.DNs))]
		life := between(r, shortest, longest).Truncate(time.Millisecond)
		op := w.reserve(ctx, history.Op{Kind: history.Reserve, Key: dn, Expires: life}, uint32(r.IntN(5)))
		w.use(ctx, r, op)
	}
	return nil
}

// end hangs up; what the session still reserved is over with it.
func (w *Router) end() {
	if w.session != nil {
		w.hangUp(w.session, w.op(history.Op{Kind: history.HangUp}))
		w.session = nil
	}
}

// connect opens a session of a new name.
func (w *Router) connect(ctx context.Context) {
	if w.end(); !w.Node.Running() {
		return
	}
	w.born++
	w.process = fmt.Sprintf("%s/%d", w.Name, w.born)
	if s, err := connect(ctx, w.Node, w.Node.Phones(), w.process); err == nil {
		w.session = s
	}
}

// use lets a reservation run out, or takes it back; one of which it does not
// know whether it has it, it takes back.
func (w *Router) use(ctx context.Context, r *rand.Rand, op history.Op) {
	if op.Outcome == history.Fail || op.OK() && r.IntN(3) > 0 {
		return
	}
	pause(ctx, between(r, 0, op.Expires/2))
	w.reserve(ctx, history.Op{Kind: history.Release, Key: op.Key}, 0)
}

func (w *Router) reserve(ctx context.Context, op history.Op, priority uint32) history.Op {
	op = w.Record.Invoke(w.op(op))
	e, err := w.session.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{
		Dn: op.Key, Duration: durationpb.New(op.Expires.Truncate(time.Millisecond)), Priority: priority,
	}}})
	sessionOutcome(&op, e, err)
	return w.Record.Return(op)
}

func (w *Router) op(op history.Op) history.Op {
	op.Process, op.Arg, op.Node, op.Home = w.process, w.process, w.Node.Name(), w.Node.Name()
	return op
}
