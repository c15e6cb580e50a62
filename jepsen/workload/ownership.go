package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Character is how the user of a DN behaves.
type Character int

const (
	// Settled: one phone at one node, refreshes only. Its DN must never leave service there.
	Settled Character = iota
	// Wanderer: registers, moves between nodes, un-registers, restarts.
	Wanderer
	// Absent: registers for a short time and goes silent.
	Absent
	// Silent: registers once for long and never refreshes: what is known of it
	// has to come from stores and peers.
	Silent
	// Rover: a phone that stands in one site and registers at other ones'
	// nodes, so that cuts concern it.
	Rover
)

// Lifetimes of registrations.
const (
	longLife  = 10 * time.Minute
	shortLife = 3 * time.Second
)

// answerWithin is how long a phone waits; it repeats its request meanwhile.
const answerWithin = 2500 * time.Millisecond

// Phone is the user of one DN, with one phone at a time.
type Phone struct {
	*Site
	DN, Password string
	Character    Character
	// Home is the index of the node at which it begins.
	Home int
	// Every is the mean time between two requests.
	Every time.Duration

	*handset
	// before is the phone that was used until the last change, as long as it
	// may still say something.
	before *handset
	born   int
	in     bool
}

// Run uses the DN until ctx ends.
func (w *Phone) Run(ctx context.Context) error {
	r := w.random(w.DN)
	defer func() { w.Later(func() { w.handset.hangUp(); w.before.hangUp() }) }()
	if err := w.take(w.Home, w.Home); err != nil {
		return err
	}
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		if err := w.next(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// next does one thing. What got no answer is asked again, by the same phone,
// so that the truth does not stay open.
func (w *Phone) next(ctx context.Context, r *rand.Rand) error {
	switch {
	case w.before != nil && w.in && (w.before.open != "" || r.IntN(2) == 0):
		// The old phone takes its own binding back: the new one's must stay.
		if w.unregister(ctx, w.before, w.before.binding); w.before.open == "" {
			w.putAway(w.before)
			w.before = nil
		}
	case w.open == history.Register:
		w.register(ctx, w.life)
	case w.open == history.Unregister:
		w.leave(ctx, w.openArg)
	case !w.in && w.Character != Absent:
		return w.comeBack(ctx, r)
	default:
		return w.act(ctx, r)
	}
	return nil
}

// comeBack registers again, here or elsewhere.
func (w *Phone) comeBack(ctx context.Context, r *rand.Rand) error {
	if w.Character == Wanderer && r.IntN(3) == 0 {
		if err := w.move(r); err != nil {
			return err
		}
	}
	w.register(ctx, longLife)
	return nil
}

func (w *Phone) act(ctx context.Context, r *rand.Rand) error {
	p := r.IntN(100)
	switch {
	case w.Character == Absent && w.in: // silent until it has surely expired
		w.in = !pause(ctx, w.life+3*time.Second)
	case w.Character == Absent:
		w.register(ctx, shortLife)
	case p < 12 || w.Character == Silent:
		w.ask(ctx, w.handset, history.Op{Kind: history.Options}, w.phone.Options)
	case w.Character == Settled || p < 50:
		w.register(ctx, longLife)
	case p < 72:
		if err := w.move(r); err != nil {
			return err
		}
		w.register(ctx, longLife)
	case p < 84:
		w.leave(ctx, w.binding)
	case p < 88:
		w.leave(ctx, "*")
	default:
		return w.restart(ctx, r)
	}
	return nil
}

// restart is a new phone at the same node: a new socket, a new binding. The
// old binding may expire soon after; the new one must stay.
func (w *Phone) restart(ctx context.Context, r *rand.Rand) error {
	if r.IntN(2) == 0 {
		if w.register(ctx, shortLife); w.open != "" {
			return nil
		}
	}
	if err := w.take(w.index(w.node), w.index(w.site)); err != nil {
		return err
	}
	w.register(ctx, longLife)
	return nil
}

// move takes a new phone at another node.
func (w *Phone) move(r *rand.Rand) error {
	nodes := len(w.Cluster.Nodes())
	to := (w.index(w.node) + 1 + r.IntN(max(1, nodes-1))) % nodes
	if !w.Cluster.Nodes()[to].Running() {
		return nil
	}
	site := to
	if w.Character == Rover {
		site = w.index(w.site)
	}
	return w.take(to, site)
}

func (w *Phone) index(n *cluster.Node) int {
	return max(0, slices.Index(w.Cluster.Nodes(), n))
}

// handset is a phone at one place, registering at one node.
type handset struct {
	phone   *siptest.Phone
	process string
	binding string
	node    *cluster.Node // where it registers
	site    *cluster.Node // where it stands
	open    history.Kind  // of the request that got no answer, to be repeated
	openArg string
	life    time.Duration
}

// take gives the user a new phone.
func (w *Phone) take(node, site int) error {
	w.putAway(w.before)
	nodes := w.Cluster.Nodes()
	w.born++
	h := &handset{node: nodes[node], site: nodes[site], process: fmt.Sprintf("%s/%d", w.DN, w.born)}
	place := h.site.Phones()
	err := place.Visit(func() (err error) {
		h.phone, err = siptest.NewPhone(siptest.Config{
			DN: w.DN, Password: w.Password, Domain: w.Realm, Local: place.IP().String(), Server: h.node.Addr(cluster.SIP).String(),
			Heard: func(m *siptest.Message) { w.heard(h, m) },
		})
		return err
	})
	if err != nil {
		return err
	}
	h.binding = h.phone.Contact() + " " + h.process
	w.before, w.handset = w.handset, h
	return nil
}

// putAway switches a phone off that may still be registered.
func (w *Phone) putAway(h *handset) {
	if h == nil {
		return
	}
	op := w.Record.Invoke(history.Op{Kind: history.Gone, Process: h.process, Node: h.node.Name(), Home: h.site.Name(), Key: w.DN, Arg: h.binding})
	h.hangUp()
	op.Outcome = history.OK
	w.Record.Return(op)
}

func (h *handset) hangUp() {
	if h != nil {
		h.phone.Close()
	}
}

func (w *Phone) register(ctx context.Context, life time.Duration) {
	w.life = life
	op := w.ask(ctx, w.handset, history.Op{Kind: history.Register, Arg: w.binding, Expires: life}, func(ctx context.Context) (*siptest.Response, error) {
		return w.phone.Register(ctx, life)
	})
	if op.OK() {
		w.in = true
	}
}

// leave takes the user's binding, or all of the DN, back.
func (w *Phone) leave(ctx context.Context, binding string) {
	if op := w.unregister(ctx, w.handset, binding); op.OK() {
		w.in = false
	}
}

func (w *Phone) unregister(ctx context.Context, h *handset, binding string) history.Op {
	return w.ask(ctx, h, history.Op{Kind: history.Unregister, Arg: binding}, func(ctx context.Context) (*siptest.Response, error) {
		if binding == "*" {
			return h.phone.UnregisterAll(ctx)
		}
		return h.phone.Unregister(ctx)
	})
}

// ask sends a request and records it with its answer.
func (w *Phone) ask(ctx context.Context, h *handset, op history.Op, send func(context.Context) (*siptest.Response, error)) history.Op {
	op.Process, op.Node, op.Home, op.Key = h.process, h.node.Name(), h.site.Name(), w.DN
	op = w.Record.Invoke(op)
	ask, cancel := patience(ctx, answerWithin)
	defer cancel()
	res, err := send(ask)
	h.open, h.openArg = "", ""
	if op = answered(op, res, err, is200); op.Outcome == history.Unknown {
		h.open, h.openArg = op.Kind, op.Arg
	}
	if op.OK() && op.Kind == history.Register {
		if granted, ok := res.Expires(h.phone.Contact()); ok {
			op.Expires = granted
		}
	}
	return w.Record.Return(op)
}
