package enrolment

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Request is a REGISTER.
type Request struct {
	Trunk dn.Number
	// Registrar, Account (the address-of-record) and Contact are URIs.
	Registrar, Account, Contact string
	CallID                      string
	// CSeq is the last number that was used.
	CSeq uint32
	// Expires is asked for; 0 takes the contact back.
	Expires time.Duration
}

// Answer is what became of it.
type Answer struct {
	// Code is 0 when nobody answered.
	Code   int
	Reason string
	// CSeq is the number that it was sent with last.
	CSeq uint32
	// Expires is for how long the contact holds.
	Expires time.Duration
	// RetryAfter and MinExpires are what the carrier wants; 0 for nothing.
	RetryAfter, MinExpires time.Duration
}

// Carriers are the ways to the trunks, and what sends a REGISTER there.
type Carriers interface {
	// WaysTo are those to a trunk, the best first.
	WaysTo(trunk dn.Number) []carrier.Way
	// Register sends a request; answered is called once, from any goroutine.
	Register(w carrier.Way, r *Request, answered func(Answer))
}

// Config of a Keeper. All fields must be set.
type Config struct {
	// Self is this node, Heard tells whether another one is heard.
	Self     dn.Node
	Heard    func(dn.Node) bool
	View     func() *fsm.View
	Carriers Carriers
	// Hosts are the host:port by which carriers reach this node.
	Hosts *location.Hosts
	Log   *slog.Logger
}

// Status is what this node knows of a trunk's registration.
type Status struct {
	// Node has the turn, as this node sees it.
	Node dn.Node
	// Until is for how long this node's contact is registered; the zero time: it is not.
	Until time.Time
	// Error says why not; "" for no reason.
	Error string
	// Succeeded and Failed are when it was registered, or refreshed, and refused, or not
	// answered, the last time; the zero time for never.
	Succeeded, Failed time.Time
}

// Keeper registers the accounts whose turn is this node's.
type Keeper struct {
	cfg  Config
	wake wake.Signal

	began time.Time

	mu  sync.Mutex
	all map[dn.Number]*entry
}

// New makes a Keeper that has registered nothing.
func New(cfg Config) *Keeper {
	return &Keeper{cfg: cfg, wake: wake.New(), all: map[dn.Number]*entry{}}
}

// Wake has the Keeper look again at who is heard, and at the configuration.
func (k *Keeper) Wake() { k.wake.Send() }

// Status of a trunk; false when it has no registration.
func (k *Keeper) Status(trunk dn.Number) (s Status, ok bool) {
	v := k.cfg.View()
	if wanted(v.DN(string(trunk))) == nil {
		return s, false
	}
	s.Node = Chosen(trunk, k.there(v))
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.all[trunk]; e != nil {
		s.Error, s.Succeeded, s.Failed = e.failure, e.succeeded, e.failed
		if e.has != nil {
			s.Until = e.has.until
		}
	}
	return s, true
}

// Run registers until ctx ends. What is registered then stays until it expires: the
// process may be back by then, and who is to be away for longer is drained before.
func (k *Keeper) Run(ctx context.Context) error {
	k.began = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.wake:
		case <-timer.C:
		}
		jobs, next := k.step(time.Now())
		for _, j := range jobs {
			k.cfg.Carriers.Register(j.way, &j.request, func(a Answer) { k.answered(j, a) })
		}
		if !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
	}
}

// there are the nodes that may have a turn: those that are heard and take calls.
func (k *Keeper) there(v *fsm.View) (nodes []dn.Node) {
	for _, n := range v.Nodes() {
		if id := dn.Node(n.GetId()); !n.GetDraining() && (id == k.cfg.Self || k.cfg.Heard(id)) {
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// hearsAll tells whether every other node is heard.
func (k *Keeper) hearsAll() bool {
	for _, n := range k.cfg.View().Nodes() {
		if id := dn.Node(n.GetId()); id != k.cfg.Self && !k.cfg.Heard(id) {
			return false
		}
	}
	return true
}

// job is a request that goes out.
type job struct {
	entry   *entry
	wish    wish
	way     carrier.Way
	request Request
}

// step is what is to be sent now, and when the next thing is.
func (k *Keeper) step(now time.Time) (jobs []*job, next time.Time) {
	if whole := k.began.Add(firstWait); now.Before(whole) && !k.hearsAll() {
		return nil, whole // who has just begun hears nobody yet
	}
	wishes := k.wishes()
	k.mu.Lock()
	defer k.mu.Unlock()
	for n := range wishes {
		if k.all[n] == nil {
			k.all[n] = newEntry(n)
		}
	}
	for n, e := range k.all {
		j, at := e.step(wishes[n], now, func() []carrier.Way { return k.cfg.Carriers.WaysTo(n) })
		switch {
		case j != nil:
			j.request.Contact = "sip:" + j.wish.called + "@" + string(k.cfg.Hosts.AppendURI(nil, j.way.Transport, j.way.Addr.Addr()))
			jobs = append(jobs, j)
		case e.over():
			delete(k.all, n)
		case !at.IsZero() && (next.IsZero() || at.Before(next)):
			next = at
		}
	}
	return jobs, next
}

// wishes are those of the trunks whose turn is this node's.
func (k *Keeper) wishes() map[dn.Number]wish {
	v, wishes := k.cfg.View(), map[dn.Number]wish{}
	var nodes []dn.Node
	for d := range v.Trunks() {
		r := wanted(d)
		if r == nil {
			continue
		}
		if nodes == nil {
			nodes = k.there(v)
		}
		if n := dn.Number(d.GetNumber()); Chosen(n, nodes) == k.cfg.Self {
			wishes[n] = wishOf(d.GetTrunk())
		}
	}
	return wishes
}

// answered takes the end of a request.
func (k *Keeper) answered(j *job, a Answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := j.entry
	before := e.failure
	had := e.has != nil
	e.answered(j, a, time.Now())
	switch log := k.cfg.Log.With("dn", string(e.trunk), "way", j.way.String()); {
	case e.failure != "" && e.failure != before:
		log.Warn("a carrier does not register this node", "err", e.failure)
	case e.has != nil && !had:
		log.Info("this node is registered at a carrier", "for", a.Expires)
	case e.has == nil && had:
		log.Info("this node is registered at a carrier no more")
	}
	k.wake.Send()
}
