package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Person is one agent who works at several desks: he logs in at one while he is still
// logged in at another one, at times at two at once, and says what he does where he sits.
type Person struct {
	*Site
	ID string
	// Desks of Manner Seated, which do nothing by themselves.
	Desks []*Desktop
	// Every is the mean time between two requests.
	Every time.Duration

	said int
	// at is the desk of the last login, nil when that is open.
	at *Desktop
}

// probeFor is how long whoever asks for an agent who has left wants him.
const probeFor = 300 * time.Millisecond

// Run works until ctx ends.
func (w *Person) Run(ctx context.Context) error {
	r := w.random("person-" + w.ID)
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		w.next(ctx, r)
	}
	return nil
}

func (w *Person) next(ctx context.Context, r *rand.Rand) {
	d := w.Desks[r.IntN(len(w.Desks))]
	if !d.sits(ctx, r) {
		return
	}
	switch p := r.IntN(100); {
	case p < 45:
		w.login(ctx, r, d)
	case p < 55:
		w.race(ctx, r, d)
	case p < 85 && w.at != nil && w.at.sits(ctx, r):
		w.ask(ctx, w.at, "ready")
	case p < 92:
		w.ask(ctx, d, "logged-out")
	}
}

// login logs in at a desk, and somebody asks for the agent at the one before.
func (w *Person) login(ctx context.Context, r *rand.Rand, d *Desktop) {
	before := w.at
	if w.at = nil; !w.ask(ctx, d, "logged-in") {
		return
	}
	w.at = d
	if before == nil || before == d || r.IntN(2) == 0 || !pause(ctx, between(r, 0, 1200*time.Millisecond)) || !before.sits(ctx, r) {
		return
	}
	op := before.Record.Invoke(before.op(before.seat, history.Op{Kind: history.Reserve, Expires: probeFor}))
	e, err := before.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{
		Dn: before.DN, Duration: durationpb.New(probeFor), Priority: 1,
	}}})
	sessionOutcome(&op, e, err)
	w.Record.Return(op)
}

// race logs in at two desks at once.
func (w *Person) race(ctx context.Context, r *rand.Rand, d *Desktop) {
	other := w.Desks[r.IntN(len(w.Desks))]
	if w.at = nil; other == d || !other.sits(ctx, r) {
		return
	}
	var both sync.WaitGroup
	for _, desk := range []*Desktop{d, other} {
		w.said++
		n := w.said
		both.Go(func() { w.request(ctx, desk, "logged-in", n) })
	}
	both.Wait()
}

func (w *Person) ask(ctx context.Context, d *Desktop, state string) bool {
	w.said++
	return w.request(ctx, d, state, w.said)
}

// request is about the agent at a desk. True: it is so since, and was not before.
func (w *Person) request(ctx context.Context, d *Desktop, state string, said int) bool {
	n := strconv.Itoa(said)
	reasons := map[string]string{tag: n}
	m := &tlibpb.ClientMessage{}
	switch state {
	case "logged-in":
		m.Body = &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: d.DN, AgentId: w.ID, Reasons: reasons}}
	case "ready":
		m.Body = &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: d.DN, Reasons: reasons}}
	default:
		m.Body = &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: d.DN, Reasons: reasons}}
	}
	op := w.Record.Invoke(d.op(d.seat, history.Op{Kind: history.Person, From: w.ID, Arg: word(state, w.ID, reasons)}))
	e, err := d.ask(ctx, m)
	if sessionOutcome(&op, e, err); op.OK() && e.GetAgent().GetReasons()[tag] != n {
		op.Outcome, op.Error = history.Fail, "it is so already: "+strings.TrimPrefix(fmt.Sprint(e.GetMessage()), "MESSAGE_")
	}
	w.Record.Return(op)
	return op.OK()
}

// sits has the desk's DN registered with a gateway at its node.
func (w *Desktop) sits(ctx context.Context, r *rand.Rand) bool {
	if w.seat != nil && w.over() {
		w.end(w.seat)
		w.seat, w.in = nil, false
	}
	if w.seat == nil {
		w.take(ctx, w.place(r, false))
	}
	if w.seat != nil && !w.in {
		w.register(ctx, r)
	}
	return w.seat != nil && w.in
}
