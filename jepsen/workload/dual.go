package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Dual is a phone with two ways (RFC 5626: one instance, two reg-ids), each
// registered at a node, in whose site that part of it stands. It refreshes them,
// takes one of them back for a while, and is called by way of a third node.
type Dual struct {
	*Site
	DN, Password string
	Ways         [2]*cluster.Node
	// Caller calls it by way of From.
	Caller, CallerPassword string
	From                   *cluster.Node
	// Every is the mean time between two things that happen.
	Every time.Duration

	flows  [2]dualFlow
	caller *siptest.UA
}

// dualFlow is one of the ways.
type dualFlow struct {
	ua *siptest.UA
	in bool
	// open is the request that got no answer and is repeated, so that the truth does not
	// stay open.
	open history.Kind
}

// Run uses the DN until ctx ends.
func (w *Dual) Run(ctx context.Context) error {
	r := w.random("dual-" + w.DN)
	taking, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.Later(stop)
	for i := range w.flows {
		u, err := w.phone(w.Ways[i], w.DN, w.Password, fmt.Sprintf(`;+sip.instance="<urn:uuid:00000000-0000-1000-8000-%012s>";reg-id=%d`, w.DN, i+1))
		if err != nil {
			return err
		}
		w.flows[i].ua = u
		go w.take(taking, u)
	}
	var err error
	if w.caller, err = w.phone(w.From, w.Caller, w.CallerPassword, ""); err != nil {
		return err
	}
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		w.next(ctx, r)
	}
	return nil
}

func (w *Dual) phone(n *cluster.Node, dn, password, params string) (u *siptest.UA, err error) {
	place := n.Phones()
	err = place.Visit(func() error {
		u, err = siptest.NewUA(siptest.Config{
			DN: dn, Password: password, Domain: w.Realm, Params: params, Local: place.IP().String(), Server: n.Addr(cluster.SIP).String(),
		})
		return err
	})
	if err == nil {
		w.Later(u.Close)
	}
	return u, err
}

// next does one thing.
func (w *Dual) next(ctx context.Context, r *rand.Rand) {
	i := r.IntN(2)
	f, other := &w.flows[i], &w.flows[1-i]
	switch p := r.IntN(100); {
	case p < 30 && w.From.Running():
		w.call(ctx)
	case !w.Ways[i].Running():
	case f.open == history.UnregisterWay, f.open == "" && f.in && other.in && p > 90:
		w.ask(ctx, i, history.UnregisterWay, f.ua.Unregister)
	default:
		w.ask(ctx, i, history.RegisterWay, func(ctx context.Context) (*siptest.Response, error) { return f.ua.Register(ctx, longLife) })
	}
}

// ask sends a request of a way and records it.
func (w *Dual) ask(ctx context.Context, way int, kind history.Kind, send func(context.Context) (*siptest.Response, error)) {
	f, node := &w.flows[way], w.Ways[way].Name()
	op := history.Op{Kind: kind, Process: fmt.Sprintf("dual-%s/%d", w.DN, way+1), Node: node, Home: node, Key: w.DN, Arg: fmt.Sprint(way + 1)}
	if kind == history.RegisterWay {
		op.Expires = longLife
	}
	op = w.Record.Invoke(op)
	asked, cancel := patience(ctx, answerWithin)
	defer cancel()
	res, err := send(asked)
	op = w.Record.Return(answered(op, res, err, is200))
	switch f.open = ""; op.Outcome {
	case history.OK:
		f.in = kind == history.RegisterWay
	case history.Unknown:
		f.open = kind
	}
}

// call places one call by way of From, which the caller is registered at by then, and hangs
// up once it was answered.
func (w *Dual) call(ctx context.Context) {
	asked, cancel := patience(ctx, answerWithin)
	defer cancel()
	if res, err := w.caller.Register(asked, longLife); err != nil || res.Code != 200 {
		return
	}
	op := w.Record.Invoke(history.Op{Kind: history.CallWay, Process: "dual-" + w.DN + "/caller", Node: w.From.Name(), Home: w.From.Name(), Key: w.DN, From: w.Caller})
	calling, done := patience(ctx, ringOut)
	defer done()
	c, err := w.caller.Place(calling, "sip:"+w.DN+"@"+w.Realm)
	if err != nil {
		w.Record.Return(answered(op, nil, err, success))
		return
	}
	op.Arg = c.ID
	res, err := final(calling, c)
	w.Record.Return(answered(op, res, err, success))
	switch {
	case err != nil:
		c.Cancel()
	case res.Code < 300:
		_ = c.Ack() // what is lost is asked for again
		ending, over := patience(ctx, answerWithin)
		defer over()
		_, _ = c.Bye(ending) // whether that is answered is judged of telephones
	}
}

// take answers what comes by one of the ways, until ctx ends.
func (w *Dual) take(ctx context.Context, u *siptest.UA) {
	for {
		c, err := u.Take(ctx)
		if err != nil {
			return
		}
		go func() {
			for again := 500 * time.Millisecond; again <= 4*time.Second && ctx.Err() == nil; again *= 2 {
				_ = c.Answer()
				if waits(ctx, c, again, "ACK", "BYE", "CANCEL") != "" {
					return
				}
			}
		}()
	}
}
