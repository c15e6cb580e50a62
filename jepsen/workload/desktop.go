package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Manner is how the agent at a desktop behaves.
type Manner int

const (
	// Seated: stays with one gateway in its own site; only the agent's state changes.
	Seated Manner = iota
	// Mobile: goes to other nodes, changes the gateway, un-registers, is killed.
	Mobile
	// Remote: mobile, with gateways in one site and connected to other ones'
	// nodes, so that cuts concern them.
	Remote
	// Companion: the desktop beside a SIP phone, at another node than the
	// phone's; whatever it does, the DN is the phone's.
	Companion
)

// Desktop is the agent at one DN, whose desktop is connected through one
// gateway at a time; for a moment through the next one too.
type Desktop struct {
	*Site
	DN     string
	Manner Manner
	// Home is the index of the node at which it begins.
	Home int
	// Every is the mean time between two requests.
	Every time.Duration

	*seat
	// before is the gateway that was used until the last change.
	before *seat
	born   int
	said   int
	in     bool
}

// seat is a session of a gateway.
type seat struct {
	*tsession
	process string
	node    *cluster.Node
	site    *cluster.Node // where the gateway stands
	// registered: something of the DN is perhaps registered with it.
	registered bool
}

// Run uses the DN until ctx ends.
func (w *Desktop) Run(ctx context.Context) error {
	r := w.random("desktop-" + w.DN)
	defer w.goHome()
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		w.next(ctx, r)
	}
	return nil
}

// goHome is the end of the run: some gateways stay until the cluster is gone.
func (w *Desktop) goHome() {
	if w.end(w.before); w.Manner != Seated {
		w.end(w.seat)
	}
}

func (w *Desktop) next(ctx context.Context, r *rand.Rand) {
	if w.seat != nil && w.over() {
		w.end(w.seat)
		w.seat, w.in = nil, false
	}
	switch p := r.IntN(100); {
	case w.seat == nil:
		w.take(ctx, w.place(r, w.Manner != Seated))
		w.register(ctx, r)
	case w.before != nil && (w.in || p < 50): // it may stand in the new one's way
		w.dismiss(ctx, r)
	case !w.in:
		w.register(ctx, r)
	case p < 55 || w.Manner == Seated:
		w.agent(ctx, r)
	case p < 70: // another node
		w.take(ctx, w.place(r, true))
		w.register(ctx, r)
	case p < 80: // another gateway at the same node
		w.take(ctx, w.node)
		w.register(ctx, r)
	case p < 90:
		w.unregister(ctx, w.seat)
		w.in = w.registered
	default:
		w.end(w.seat)
		w.seat, w.in = nil, false
	}
}

// dismiss ends the gateway before in one of three ways: the new one's
// registration must stay.
func (w *Desktop) dismiss(ctx context.Context, r *rand.Rand) {
	if r.IntN(2) == 0 && !w.before.over() {
		w.unregister(ctx, w.before)
	}
	w.end(w.before)
	w.before = nil
}

// place chooses a node.
func (w *Desktop) place(r *rand.Rand, move bool) *cluster.Node {
	nodes := w.Cluster.Nodes()
	at := w.Home
	if w.seat != nil {
		at = slices.Index(nodes, w.node)
	}
	if !move {
		return nodes[at]
	}
	to := nodes[(at+1+r.IntN(max(1, len(nodes)-1)))%len(nodes)]
	if !to.Running() {
		return nodes[at]
	}
	return to
}

// take opens a session at the node; what was used is the one before.
func (w *Desktop) take(ctx context.Context, node *cluster.Node) {
	if !node.Running() {
		return
	}
	site := node
	if w.Manner == Remote {
		site = w.Cluster.Nodes()[w.Home]
	}
	w.born++
	process := fmt.Sprintf("gw-%s/%d", w.DN, w.born)
	s, err := connect(ctx, node, site.Phones(), process)
	if err != nil {
		return // the next attempt may find the node
	}
	w.end(w.before)
	w.before, w.in = w.seat, false
	w.seat = &seat{tsession: s, process: process, node: node, site: site}
}

// end hangs up; what was registered is over with it.
func (w *Desktop) end(s *seat) {
	if s == nil {
		return
	}
	if s.registered && w.Manner != Companion {
		s.registered = false
		w.hangUp(s.tsession, w.op(s, history.Op{Kind: history.HangUp}))
		return
	}
	s.hangUp()
}

func (w *Desktop) op(s *seat, op history.Op) history.Op {
	op.Process, op.Node, op.Home, op.Key = s.process, s.node.Name(), s.site.Name(), w.DN
	if op.Arg == "" {
		op.Arg = s.process
	}
	return op
}

// register registers the DN with the present gateway.
func (w *Desktop) register(ctx context.Context, r *rand.Rand) {
	if w.seat == nil {
		return
	}
	mode := tlibpb.AddressMode_ADDRESS_MODE_SHARED
	if w.before == nil && r.IntN(3) == 0 {
		mode = tlibpb.AddressMode_ADDRESS_MODE_PRIVATE
	}
	m := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: w.DN, Mode: mode}}}
	if w.Manner == Companion {
		e, err := w.ask(ctx, m)
		w.in = err == nil && e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_REGISTERED
		w.registered = w.in
		return
	}
	op := w.Record.Invoke(w.op(w.seat, history.Op{Kind: history.RegisterAddress}))
	e, err := w.ask(ctx, m)
	sessionOutcome(&op, e, err)
	w.Record.Return(op)
	w.registered = w.registered || op.Outcome != history.Fail
	if w.in = op.OK(); op.Outcome == history.Unknown {
		w.end(w.seat) // and another one: the truth must not stay open
		w.seat = nil
	}
}

func (w *Desktop) unregister(ctx context.Context, s *seat) {
	m := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UnregisterAddress{UnregisterAddress: &tlibpb.UnregisterAddress{Dn: w.DN}}}
	if w.Manner == Companion {
		if _, err := s.ask(ctx, m); err == nil {
			s.registered = false
		}
		return
	}
	op := w.Record.Invoke(w.op(s, history.Op{Kind: history.UnregisterAddress}))
	e, err := s.ask(ctx, m)
	sessionOutcome(&op, e, err)
	w.Record.Return(op)
	s.registered = !op.OK()
}

// agent changes the agent's state.
func (w *Desktop) agent(ctx context.Context, r *rand.Rand) {
	w.said++
	id, n := "7"+w.DN[1:], strconv.Itoa(w.said)
	reasons := map[string]string{tag: n}
	var state string
	m := &tlibpb.ClientMessage{}
	switch p := r.IntN(100); {
	case p < 20:
		state, m.Body = "logged-in", &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: w.DN, AgentId: id, Reasons: reasons}}
	case p < 55:
		state, m.Body = "ready", &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: w.DN, Reasons: reasons}}
	case p < 90:
		state, m.Body = "not-ready", &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{Dn: w.DN, Reasons: reasons}}
	default:
		state, m.Body = "logged-out", &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: w.DN, Reasons: reasons}}
	}
	op := w.Record.Invoke(w.op(w.seat, history.Op{Kind: history.Agent, Arg: word(state, id, reasons)}))
	e, err := w.ask(ctx, m)
	if sessionOutcome(&op, e, err); op.OK() && e.GetAgent().GetReasons()[tag] != n {
		op.Outcome, op.Error = history.Fail, "it is so already: "+e.GetMessage().String()
	}
	w.Record.Return(op)
}
