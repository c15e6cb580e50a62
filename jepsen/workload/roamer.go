package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Roamer is the user of one DN who goes from node to node, also while in a call,
// calls by way of nodes at which it isn't registered, and goes silent in a call or
// loses its connection; then it comes back with another device. It is in one call at a time.
type Roamer struct {
	*Site
	DN, Password string
	// Home is the index of the node at which it begins.
	Home int
	// Numbers to call: telephones that hang up when their time is over.
	Numbers []string
	// Every is the mean time between two things that it does.
	Every time.Duration

	engaged atomic.Bool
	calling sync.WaitGroup
	atEnd   func(f func()) (stop func() bool)
	at      *Telephone // where it is registered, as far as it knows
	born    int
}

// roamerLife ends the registration of a device that was left behind.
const roamerLife = 8 * time.Second

// device is what a telephone has that is one of several of a Roamer.
type device struct {
	number int
	by     way
	life   time.Duration // of its registration
	random *rand.Rand
	leave  context.CancelFunc // takes no further calls, and closes behind the last one
	calls  sync.WaitGroup     // that it placed
	silent atomic.Bool
	tell   func(c *siptest.Call, transport string) (done func())
	close  func()
}

func (d *device) name() string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf("/device%d", d.number)
}

func (d *device) way() way {
	if d == nil || d.by.port == 0 {
		return way{port: TCPPort} // that of UDP too
	}
	return d.by
}

// fallsSilent lets the device be lost in a call, now and then.
func (d *device) fallsSilent(c *siptest.Call) bool {
	if d == nil || d.random.IntN(4) > 0 {
		return false
	}
	done := d.tell(c, d.by.transport)
	d.silent.Store(true)
	d.close()
	done()
	return true
}

// Run uses the DN until ctx ends.
func (w *Roamer) Run(ctx context.Context) error {
	w.atEnd = func(f func()) func() bool { return context.AfterFunc(ctx, f) }
	r := w.random("roamer-" + w.DN)
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		w.next(ctx, r)
	}
	if w.at != nil {
		w.at.device.leave()
	}
	w.calling.Wait()
	return nil
}

// next goes elsewhere or refreshes, and then perhaps calls somebody.
func (w *Roamer) next(ctx context.Context, r *rand.Rand) {
	lost := w.at == nil || w.at.device.silent.Load() || !w.at.Node.Running()
	if lost && w.at != nil && r.IntN(3) > 0 {
		return // it stays away for a while
	}
	if lost || r.IntN(4) == 0 {
		w.move(ctx, r)
	} else {
		w.at.enrol(ctx)
	}
	if w.at == nil || r.IntN(2) > 0 || !w.engaged.CompareAndSwap(false, true) {
		return
	}
	t, mine := w.at, true
	if r.IntN(2) == 0 {
		if other := w.arrive(ctx, r); other != nil {
			t, mine = other, false
		}
	}
	random := r2(r)
	t.device.calls.Add(1)
	w.calling.Go(func() {
		defer w.engaged.Store(false)
		defer t.device.calls.Done()
		if t.place(ctx, random); !mine {
			t.device.leave()
		}
	})
}

// r2 is a random source for another goroutine.
func r2(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }

// move registers a new device; the one before stays for its call.
func (w *Roamer) move(ctx context.Context, r *rand.Rand) {
	before := w.at
	if w.at = w.arrive(ctx, r); w.at == nil {
		w.at = before
		return
	}
	w.at.enrol(ctx)
	if before != nil {
		before.device.leave()
	}
}

// arrive makes a device at some node that runs; nil when it can't connect.
func (w *Roamer) arrive(ctx context.Context, r *rand.Rand) *Telephone {
	nodes := w.Cluster.Nodes()
	n := nodes[w.Home%len(nodes)]
	if w.born > 0 {
		n = nodes[r.IntN(len(nodes))]
	}
	if !n.Running() {
		return nil
	}
	ways := append([]way{{port: TCPPort}, {port: TCPPort}}, connections...)
	w.born++
	t := &Telephone{Site: w.Site, DN: w.DN, Password: w.Password, Node: n, Numbers: w.Numbers, engaged: &w.engaged, atEnd: w.atEnd}
	t.device = &device{number: w.born, life: roamerLife, by: ways[r.IntN(len(ways))], random: r2(r)}
	if t.open() != nil {
		return nil // the next attempt may find the node
	}
	w.use(ctx, t)
	return t
}

// use lets the device take calls until it is left.
func (w *Roamer) use(ctx context.Context, t *Telephone) {
	d := t.device
	taking, leave := context.WithCancel(context.WithoutCancel(ctx))
	d.leave = leave
	d.tell = func(c *siptest.Call, transport string) func() {
		op := t.invoke(history.Op{Kind: history.Silence, Key: w.DN, Arg: c.ID, From: transport}, "/silence")
		return func() {
			op.Outcome = history.OK
			t.Record.Return(op)
		}
	}
	d.close = func() {
		if t.ua.Mute(true); d.by.transport != "" {
			t.ua.Close()
		}
	}
	w.calling.Go(func() {
		t.take(taking)
		<-taking.Done()
		d.calls.Wait()
		t.ua.Close()
	})
}

// Present is the desktop of an agent with a telephone outside: it keeps a session
// and the DN in service.
type Present struct {
	*Site
	DN   string
	Node *cluster.Node
}

// Run keeps the DN in service until ctx ends.
func (w *Present) Run(ctx context.Context) error {
	r := w.random("present-" + w.DN)
	var s *tsession
	for pause(ctx, between(r, 200*time.Millisecond, time.Second)) {
		if s != nil && !s.over() || !w.Node.Running() {
			continue
		}
		s = w.connect(ctx)
	}
	if s != nil {
		s.hangUp()
	}
	return nil
}

// connect registers the DN by a session of its own; nil when it can't.
func (w *Present) connect(ctx context.Context) *tsession {
	s, err := connect(ctx, w.Node, w.Node.Phones(), "present-"+w.DN)
	if err != nil {
		return nil
	}
	e, err := s.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{
		Dn: w.DN, Mode: tlibpb.AddressMode_ADDRESS_MODE_SHARED,
	}}})
	if err != nil || e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_REGISTERED {
		s.hangUp()
		return nil
	}
	return s
}
