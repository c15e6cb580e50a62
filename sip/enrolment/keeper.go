package enrolment

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
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
	Proof Proof
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
	// ServiceRoute is the way that the carrier wants requests to take (RFC 3608); nil for none.
	// Unfit: it has said one that is not used.
	ServiceRoute [][]byte
	Unfit        bool
	// Ended is closed when the connection is gone by which it was sent; nil for datagrams.
	Ended <-chan struct{}
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
	// stopped is closed when Run ends, and with it who follows connections.
	stopped chan struct{}
	follow  sync.WaitGroup
	routes  serviceRoutes

	mu  sync.Mutex
	all map[dn.Number]*entry
	// reaches is of all trunks that have a registration, whoever has the turn; said are those
	// of them whose turn this node passes on, in order, and told those of each other node.
	reaches map[dn.Number]*reach
	said    Passes
	told    map[dn.Node][]dn.Number
}

// Passes are the trunks at which a node does not register because it does not reach the
// carrier, when its turn comes: it passes that on to another node.
type Passes struct {
	// Trunks in order of number.
	Trunks []dn.Number
	// Edition counts what the node has said, from 1 on.
	Edition uint64
}

// mostPasses is how many trunks are told of: others wait for this node's turn.
const mostPasses = 4096

// New makes a Keeper that has registered nothing.
func New(cfg Config) *Keeper {
	return &Keeper{cfg: cfg, wake: wake.New(), stopped: make(chan struct{}), all: map[dn.Number]*entry{}, reaches: map[dn.Number]*reach{}, said: Passes{Edition: 1}, told: map[dn.Node][]dn.Number{}, routes: serviceRoutes{of: map[dn.Number]serviceRoute{}}}
}

// Wake has the Keeper look again at who is heard, and at the configuration.
func (k *Keeper) Wake() { k.wake.Send() }

// stop ends those who follow connections.
func (k *Keeper) stop() {
	k.mu.Lock()
	close(k.stopped)
	k.mu.Unlock()
	k.follow.Wait()
}

// watch has the account registered again when the connection ends by which it was. The caller
// holds mu.
func (k *Keeper) watch(e *entry, h *held, ended <-chan struct{}) {
	select {
	case <-k.stopped:
		return
	default:
	}
	k.follow.Go(func() {
		select {
		case <-k.stopped:
		case <-h.over:
		case <-ended:
			k.mu.Lock()
			defer k.mu.Unlock()
			if e.has == h {
				e.lost(time.Now())
				k.wake.Send()
			}
		}
	})
}

// Passes is what this node says to the others.
func (k *Keeper) Passes() Passes {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.said
}

// Told takes what another node says of itself.
func (k *Keeper) Told(n dn.Node, trunks []dn.Number) {
	k.mu.Lock()
	defer k.mu.Unlock()
	trunks = slices.Sorted(slices.Values(trunks[:min(len(trunks), mostPasses)]))
	if slices.Equal(trunks, k.told[n]) {
		return
	}
	if k.told[n] = trunks; len(trunks) == 0 {
		delete(k.told, n)
	}
	k.wake.Send()
}

// Status of a trunk; false when it has no registration.
func (k *Keeper) Status(trunk dn.Number) (s Status, ok bool) {
	v := k.cfg.View()
	if wanted(v.DN(string(trunk))) == nil {
		return s, false
	}
	there := k.there(v)
	k.mu.Lock()
	defer k.mu.Unlock()
	s.Node = Chosen(trunk, there, k.passes(trunk))
	if r := k.reaches[trunk]; r != nil && r.down {
		s.Error = noAddress
	}
	if e := k.all[trunk]; e != nil {
		s.Error, s.Succeeded, s.Failed = cmp.Or(e.failure, s.Error), e.succeeded, e.failed
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
	defer k.stop()
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
	v := k.cfg.View()
	there := k.there(v)
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.told, func(n dn.Node, _ []dn.Number) bool { return v.Node(string(n)) == nil })
	ways, next := k.look(v, now)
	wishes := k.wishes(v, there)
	for n := range wishes {
		if k.all[n] == nil {
			k.all[n] = newEntry(n, &k.routes)
		}
	}
	for n, e := range k.all {
		j, at := e.step(wishes[n], now, func() []carrier.Way { return ways[n] })
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

// look finds out which carriers are reached, by which ways, and notes which turns this node
// passes on; next is when that may be otherwise though nothing happens.
func (k *Keeper) look(v *fsm.View, now time.Time) (ways map[dn.Number][]carrier.Way, next time.Time) {
	ways = map[dn.Number][]carrier.Way{}
	for d := range v.Trunks() {
		if wanted(d) == nil {
			continue
		}
		n := dn.Number(d.GetNumber())
		r, of := k.reaches[n], addressesOf(d.GetTrunk())
		if r == nil || r.of != of { // elsewhere nobody was in vain yet
			r = &reach{of: of}
			k.reaches[n] = r
		}
		ways[n] = k.cfg.Carriers.WaysTo(n)
		if at := r.seen(len(ways[n]), now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	maps.DeleteFunc(k.reaches, func(n dn.Number, _ *reach) bool { _, is := ways[n]; return !is })
	k.say()
	return ways, next
}

// say notes which turns this node passes on, for the others to hear.
func (k *Keeper) say() {
	var trunks []dn.Number
	for n, r := range k.reaches {
		if r.passes() {
			trunks = append(trunks, n)
		}
	}
	slices.Sort(trunks)
	trunks = trunks[:min(len(trunks), mostPasses)]
	if slices.Equal(trunks, k.said.Trunks) {
		return
	}
	for _, n := range trunks {
		if !slices.Contains(k.said.Trunks, n) {
			k.cfg.Log.Warn("this node does not reach a carrier and passes its turn to register there on", "dn", string(n))
		}
	}
	k.said = Passes{trunks, k.said.Edition + 1}
}

// passes tells who passes his turn at a trunk on.
func (k *Keeper) passes(trunk dn.Number) func(dn.Node) bool {
	return func(n dn.Node) bool {
		if n == k.cfg.Self {
			_, is := slices.BinarySearch(k.said.Trunks, trunk)
			return is
		}
		_, is := slices.BinarySearch(k.told[n], trunk)
		return is
	}
}

// wishes are those of the trunks whose turn is this node's, and those that it would have if
// its REGISTERs were answered: it goes on asking, beside the one to whom it has passed its
// turn on, who takes his contact back when it hears that there is no need any more.
func (k *Keeper) wishes(v *fsm.View, there []dn.Node) map[dn.Number]wish {
	wishes := map[dn.Number]wish{}
	for d := range v.Trunks() {
		n := dn.Number(d.GetNumber())
		if wanted(d) == nil {
			continue
		}
		if Chosen(n, there, k.passes(n)) == k.cfg.Self || !k.reaches[n].down && Chosen(n, there, nobody) == k.cfg.Self {
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
	if r := k.reaches[e.trunk]; r != nil {
		r.answered(a)
	}
	if e.has != nil && a.Code/100 == 2 && a.Ended != nil {
		k.watch(e, e.has, a.Ended)
	}
	log := k.cfg.Log.With("dn", string(e.trunk), "way", j.way.String())
	if a.Unfit && !e.unfit {
		log.Warn("the Service-Route of a carrier is not used: it has too much, a strict router, or this cluster")
	}
	e.unfit = a.Unfit
	switch {
	case e.failure != "" && e.failure != before:
		log.Warn("a carrier does not register this node", "err", e.failure)
	case e.has != nil && !had:
		log.Info("this node is registered at a carrier", "for", a.Expires)
	case e.has == nil && had:
		log.Info("this node is registered at a carrier no more")
	}
	k.wake.Send()
}
