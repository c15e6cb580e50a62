package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
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

	phone   *siptest.Phone
	process string
	binding string
	born    int
	node    *cluster.Node // where the phone registers
	site    *cluster.Node // where it stands
	open    history.Kind  // of the request that got no answer, to be repeated
	openArg string
	life    time.Duration
	in      bool
}

// Run uses the DN until ctx ends.
func (w *Phone) Run(ctx context.Context) error {
	r := w.random(w.DN)
	defer w.hangUp()
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
	case w.open == history.Register:
		w.register(ctx, w.life)
	case w.open == history.Unregister:
		w.unregister(ctx, w.openArg)
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
		return nil
	case w.Character == Absent:
		w.register(ctx, shortLife)
	case p < 12:
		w.options(ctx)
	case w.Character == Settled || p < 50:
		w.register(ctx, longLife)
	case p < 75:
		if err := w.move(r); err != nil {
			return err
		}
		w.register(ctx, longLife)
	case p < 90:
		w.unregister(ctx, w.binding)
	case p < 94:
		w.unregister(ctx, "*")
	default: // a restart: the same node, a new socket, a new binding
		return w.take(w.index(w.node), w.index(w.site))
	}
	return nil
}

// move takes a new phone at another node, without a word to the old one.
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
	for i, m := range w.Cluster.Nodes() {
		if m == n {
			return i
		}
	}
	return 0
}

// take gives the user a new phone.
func (w *Phone) take(node, site int) error {
	w.hangUp()
	nodes := w.Cluster.Nodes()
	w.node, w.site, w.open, w.born = nodes[node], nodes[site], "", w.born+1
	w.process = fmt.Sprintf("%s/%d", w.DN, w.born)
	place := w.site.Phones()
	err := place.Visit(func() (err error) {
		w.phone, err = siptest.NewPhone(siptest.Config{
			DN: w.DN, Password: w.Password, Domain: w.Realm, Local: place.IP().String(), Server: w.node.Addr(cluster.SIP).String(),
		})
		return err
	})
	if err == nil {
		w.binding = w.phone.Contact() + " " + w.process
	}
	return err
}

func (w *Phone) hangUp() {
	if w.phone != nil {
		w.phone.Close()
		w.phone = nil
	}
}

func (w *Phone) register(ctx context.Context, life time.Duration) {
	w.life = life
	op := w.ask(ctx, history.Op{Kind: history.Register, Arg: w.binding, Expires: life}, func(ctx context.Context) (*siptest.Response, error) {
		return w.phone.Register(ctx, life)
	})
	if op.OK() {
		w.in = true
	}
}

func (w *Phone) unregister(ctx context.Context, binding string) {
	op := w.ask(ctx, history.Op{Kind: history.Unregister, Arg: binding}, func(ctx context.Context) (*siptest.Response, error) {
		if binding == "*" {
			return w.phone.UnregisterAll(ctx)
		}
		return w.phone.Unregister(ctx)
	})
	if op.OK() {
		w.in = false
	}
}

func (w *Phone) options(ctx context.Context) {
	w.ask(ctx, history.Op{Kind: history.Options}, w.phone.Options)
}

// ask sends a request and records it with its answer.
func (w *Phone) ask(ctx context.Context, op history.Op, send func(context.Context) (*siptest.Response, error)) history.Op {
	op.Process, op.Node, op.Home, op.Key = w.process, w.node.Name(), w.site.Name(), w.DN
	op = w.Record.Invoke(op)
	ask, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	res, err := send(ask)
	w.open, w.openArg = "", ""
	switch {
	case err != nil:
		op.Outcome, op.Error = history.Unknown, err.Error()
		w.open, w.openArg = op.Kind, op.Arg
	case res.Code == 200:
		op.Outcome, op.Code = history.OK, strconv.Itoa(res.Code)
		if granted, ok := res.Expires(w.phone.Contact()); ok && op.Kind == history.Register {
			op.Expires = granted
		}
	default:
		op.Outcome, op.Code, op.Error = history.Fail, strconv.Itoa(res.Code), res.Reason
	}
	return w.Record.Return(op)
}
