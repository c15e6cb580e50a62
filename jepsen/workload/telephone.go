package workload

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Calls are telephones that call each other until ctx ends, and then hang up.
type Calls struct{ Telephones []*Telephone }

// Telephone places and takes calls at one node, in whose site it stands. While
// it is in a call it is busy for others.
type Telephone struct {
	*Site
	DN, Password string
	Node         *cluster.Node
	// Numbers to call.
	Numbers []string
	// Every is the mean time between two calls that it places.
	Every time.Duration
	// Rings is how long it lets a call ring before it answers it; 0: as it comes,
	// sometimes it refuses.
	Rings time.Duration
	// Waits is how long it waits for an answer; 0: as it comes, ringOut at most.
	Waits time.Duration
	// Trunk: it stands for a telephone outside that a gateway reaches, at this port
	// of its host. It has no password and registers nowhere.
	Trunk uint16
	// Public: the Trunk is a carrier that every node reaches, whatever is cut; the
	// telephone calls in by Node.
	Public bool
	// Agent is the DN of the agent whose telephone outside it is, "" for nobody's.
	Agent string

	ua *siptest.UA
	// device is one of several of a Roamer, nil where there is only this one.
	device *device
	// atEnd calls f when the run is over and everybody hangs up, unless stop was
	// called before.
	atEnd   func(f func()) (stop func() bool)
	engaged *atomic.Bool
	rang    atomic.Int64
}

const (
	// enrolEvery is less than what matters: a registration lasts much longer, and
	// may be lost with a disk only.
	enrolEvery = 6 * time.Second
	// ringOut is how long a caller waits for an answer: longer than any bound.
	ringOut = 9 * time.Second
	// lastWithin is longer than a node waits for the answer of who went silent.
	lastWithin = 4500 * time.Millisecond
)

// Run lets all of them call.
func (c *Calls) Run(ctx context.Context) error {
	taking, stop := context.WithCancel(context.WithoutCancel(ctx))
	var callers, called sync.WaitGroup
	var err error
	for _, t := range c.Telephones {
		t.atEnd = func(f func()) func() bool { return context.AfterFunc(ctx, f) }
		if err = t.open(); err != nil {
			break
		}
		called.Go(func() { t.take(taking) })
	}
	if err == nil {
		for _, t := range c.Telephones {
			callers.Go(func() { t.call(ctx) })
		}
	}
	callers.Wait()
	stop()
	called.Wait()
	for _, t := range c.Telephones {
		if t.ua != nil {
			t.Later(t.ua.Close)
		}
	}
	return err
}

func (w *Telephone) open() error {
	place := w.Node.Phones()
	if w.engaged == nil {
		w.engaged = &atomic.Bool{}
	}
	if w.Public {
		return w.openPublic()
	}
	way := w.device.way()
	return place.Visit(func() (err error) {
		w.ua, err = siptest.NewUA(siptest.Config{
			DN: w.DN, Password: w.Password, Domain: w.Realm, Transport: way.transport,
			Local: netip.AddrPortFrom(place.IP(), w.Trunk).String(), Server: netip.AddrPortFrom(w.Node.Addr(cluster.SIP).Addr(), way.port).String(),
		})
		return err
	})
}

// call places one call after the other, when it has none.
func (w *Telephone) call(ctx context.Context) {
	r := w.random("telephone-" + w.DN)
	enrolled := time.Time{}
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		if time.Since(enrolled) > enrolEvery && w.enrol(ctx) {
			enrolled = time.Now()
		}
		if !enrolled.IsZero() && len(w.Numbers) > 0 && w.engaged.CompareAndSwap(false, true) {
			w.place(ctx, r)
			w.engaged.Store(false)
		}
	}
}

func (w *Telephone) enrol(ctx context.Context) bool {
	ctx, cancel := patience(ctx, answerWithin)
	defer cancel()
	if w.Trunk != 0 {
		op := history.Op{Kind: history.Enrol, Key: w.DN, From: w.Agent, Arg: history.Trunk}
		if w.Public {
			op.Node = history.Outside
		}
		op = w.invoke(op, "")
		res, err := w.ua.Options(ctx)
		return w.answered(op, res, err)
	}
	op := w.invoke(history.Op{Kind: history.Enrol, Key: w.DN, Expires: longLife}, "")
	if w.device != nil {
		op.Arg, op.Expires = history.Roaming, w.device.life
	}
	res, err := w.ua.Register(ctx, op.Expires)
	return w.answered(op, res, err)
}

// invoke begins an operation; part tells apart what the telephone does at a time.
func (w *Telephone) invoke(op history.Op, part string) history.Op {
	op.Process = "telephone-" + w.DN + w.device.name() + part
	if op.Node == "" {
		op.Node = w.Node.Name()
	}
	if !w.Public {
		op.Home = op.Node
	}
	return w.Record.Invoke(op)
}

// answered ends it by a final response.
func (w *Telephone) answered(op history.Op, res *siptest.Response, err error) bool {
	op = w.Record.Return(answered(op, res, err, success))
	return op.OK()
}

// place makes one call.
func (w *Telephone) place(ctx context.Context, r *rand.Rand) {
	number := w.Numbers[r.IntN(len(w.Numbers))]
	for number == w.DN {
		number = w.Numbers[r.IntN(len(w.Numbers))]
	}
	wait := ringOut
	if w.Waits > 0 {
		wait = w.Waits
	} else if r.IntN(8) == 0 { // changes its mind
		wait = between(r, 100*time.Millisecond, 1500*time.Millisecond)
	}
	talk := length(r)
	op := w.invoke(history.Op{Kind: history.Dial, From: w.DN, Key: number}, "")
	ctx, cancel := patience(ctx, wait)
	defer cancel()
	defer w.atEnd(cancel)()
	c, err := w.ua.Place(ctx, "sip:"+number+"@"+w.Realm)
	if c != nil {
		op.Arg = c.ID
	}
	if err != nil { // not even 100: nobody to tell that we gave up
		w.answered(op, nil, err)
		return
	}
	res, err := final(ctx, c)
	if err != nil {
		c.Cancel()
		ctx, cancel := patience(ctx, answerWithin)
		defer cancel()
		res, err = final(ctx, c)
	}
	if err == nil && res.Code < 300 {
		_ = c.Ack() // what is lost is asked for again
	}
	if w.answered(op, res, err) {
		w.talk(context.WithoutCancel(ctx), c, "", talk, r.IntN(3) == 0)
	}
}

func final(ctx context.Context, c *siptest.Call) (*siptest.Response, error) {
	for {
		if res, err := c.Next(ctx); err != nil || res.Code >= 200 {
			return res, err
		}
	}
}

// length of a call: half are short, the others begin in a cut and outlast it. The
// shorter of what caller and called have in mind counts.
func length(r *rand.Rand) time.Duration {
	if r.IntN(2) == 0 {
		return between(r, 4*time.Second, 12*time.Second)
	}
	return between(r, 300*time.Millisecond, 3*time.Second)
}

// talk is in a call until the other side hangs up, or for that long; asks says
// something within it on the way. It returns whether the other side hung up.
func (w *Telephone) talk(ctx context.Context, c *siptest.Call, part string, d time.Duration, asks bool) (theirs bool) {
	for _, d := range []time.Duration{d / 2, d - d/2} {
		if w.listen(ctx, c, d) {
			return true
		}
		if w.device.fallsSilent(c) {
			return false
		}
		if asks {
			w.within(ctx, c, part, "INFO")
		}
		asks = false
	}
	w.within(ctx, c, part, "BYE")
	return false
}

// listen waits for the other side to hang up; the caller acknowledges answers
// that come again.
func (w *Telephone) listen(ctx context.Context, c *siptest.Call, d time.Duration) (over bool) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	defer w.atEnd(cancel)()
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, err := c.Expect(ctx, "BYE")
		over = err == nil
		cancel()
	}()
	for c.Invite == nil {
		res, err := c.Next(ctx)
		if err != nil {
			break
		}
		if res.Code >= 200 && res.Code < 300 {
			_ = c.Ack()
		}
	}
	<-heard
	return over
}

// within sends a request within the call, again when it gets no answer: there
// is packet loss.
func (w *Telephone) within(ctx context.Context, c *siptest.Call, part, method string) {
	op := w.invoke(history.Op{Kind: history.Within, Node: w.by(c), Key: w.DN, Arg: c.ID, From: method}, part)
	var res *siptest.Response
	var err error
	for _, d := range []time.Duration{700 * time.Millisecond, 1300 * time.Millisecond, lastWithin} {
		ctx, cancel := patience(ctx, d)
		res, err = c.Do(ctx, method)
		if cancel(); err == nil {
			break
		}
	}
	w.answered(op, res, err)
}
