package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Ports at which a node takes SIP over connections.
const (
	TCPPort = 5060
	TLSPort = 5061
	WSPort  = 5066
)

// way is a transport and its port at each node.
type way struct {
	transport string
	port      uint16
}

// connections are the ways that phones connect.
var connections = []way{{"tcp", TCPPort}, {"ws", WSPort}, {"tls", TLSPort}}

// Flows is the user of one DN with several phones at a time, each with a
// connection of its own to one node, in whose site they stand. Whatever one of
// them does, the DN stays in service while another one's connection does.
type Flows struct {
	*Site
	DN, Password string
	Node         *cluster.Node
	// Every is the mean time between two things that happen.
	Every time.Duration

	phones []*flow
	born   int
}

// flow is a phone with its connection.
type flow struct {
	phone         *siptest.Phone
	process       string
	in, perhapsIn bool
}

const (
	fewestFlows, mostFlows = 2, 4
)

// Run uses the DN until ctx ends, and then leaves.
func (w *Flows) Run(ctx context.Context) error {
	r := w.random("flows-" + w.DN)
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		if !w.Node.Running() {
			w.leave(w.phones...)
			continue
		}
		if len(w.phones) < fewestFlows || len(w.phones) < mostFlows && r.IntN(4) == 0 {
			w.arrive(ctx)
			continue
		}
		w.act(ctx, r, w.phones[r.IntN(len(w.phones))])
	}
	w.leave(w.phones...)
	return nil
}

// act lets one phone refresh, take its registration back, or lose its connection.
func (w *Flows) act(ctx context.Context, r *rand.Rand, f *flow) {
	switch p := r.IntN(100); {
	case p < 40 || !f.in:
		w.register(ctx, f)
	case p < 75:
		w.unregister(ctx, f)
	default:
		w.leave(f)
	}
}

// arrive connects one more phone; the transports take turns.
func (w *Flows) arrive(ctx context.Context) {
	way := connections[w.born%len(connections)]
	w.born++
	f := &flow{process: fmt.Sprintf("%s-%s/%d", way.transport, w.DN, w.born)}
	place := w.Node.Phones()
	err := place.Visit(func() (err error) {
		f.phone, err = siptest.NewPhone(siptest.Config{
			DN: w.DN, Password: w.Password, Domain: w.Realm, Transport: way.transport, Local: place.IP().String(),
			Server: netip.AddrPortFrom(w.Node.Addr(cluster.SIP).Addr(), way.port).String(),
		})
		return err
	})
	if err != nil {
		return // the next attempt may find the node
	}
	w.phones = append(w.phones, f)
	w.register(ctx, f)
}

func (w *Flows) register(ctx context.Context, f *flow) {
	f.in = w.ask(ctx, f, history.RegisterFlow, func(ctx context.Context) (*siptest.Response, error) {
		return f.phone.Register(ctx, longLife)
	})
}

func (w *Flows) unregister(ctx context.Context, f *flow) {
	if w.ask(ctx, f, history.UnregisterFlow, f.phone.Unregister) {
		f.in, f.perhapsIn = false, false
		w.leave(f)
	}
}

// ask sends a request and records it. A phone that got no answer is given up,
// so that the truth does not stay open.
func (w *Flows) ask(ctx context.Context, f *flow, kind history.Kind, send func(context.Context) (*siptest.Response, error)) bool {
	op := w.Record.Invoke(w.op(f, kind))
	asked, cancel := patience(ctx, answerWithin)
	defer cancel()
	res, err := send(asked)
	f.perhapsIn = f.perhapsIn || kind == history.RegisterFlow
	op = w.Record.Return(answered(op, res, err, is200))
	if op.Outcome == history.Unknown {
		w.leave(f)
	}
	return op.OK()
}

func (w *Flows) op(f *flow, kind history.Kind) history.Op {
	return history.Op{Kind: kind, Process: f.process, Arg: f.process, Node: w.Node.Name(), Home: w.Node.Name(), Key: w.DN}
}

// leave closes connections without goodbye.
func (w *Flows) leave(flows ...*flow) {
	for _, f := range slices.Clone(flows) {
		w.phones = slices.DeleteFunc(w.phones, func(o *flow) bool { return o == f })
		if !f.perhapsIn {
			f.phone.Close()
			continue
		}
		op := w.Record.Invoke(w.op(f, history.HangUp))
		f.phone.Close()
		op.Outcome = history.OK
		w.Record.Return(op)
	}
}
