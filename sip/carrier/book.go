package carrier

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/quota"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Config of a Book. All but NameServers and Own must be set.
type Config struct {
	NameServers NameServers
	// Ask sends OPTIONS to a way; answered is called once, from any goroutine: nil when
	// somebody is there, else why nobody is.
	Ask func(w Way, answered func(error))
	// Cannot is why this node has no way to an address, nil when it has: such a one is not
	// asked, and not tried. nil for never.
	Cannot func(w Way) error
	// Own tells whether an address is one of the cluster's own nodes, where no trunk is.
	Own func(netip.AddrPort) bool
	// Every is how often each way is asked; 0 for never.
	Every func() time.Duration
	// Moved is told when a trunk has other addresses than before, Reached whether a trunk
	// can be reached, when that has changed. Neither may call the Book but to read.
	Moved   func()
	Reached func(n dn.Number, reached bool)
	Log     *slog.Logger
}

// Book has the ways of all trunks. Its methods may be called from any goroutine, and none
// but Run waits.
type Book struct {
	cfg   Config
	names asker
	wake  wake.Signal

	mu     sync.Mutex
	trunks map[dn.Number]*entry
	asking int // questions without an answer
}

// entry is a trunk. Guarded by Book.mu.
type entry struct {
	number  dn.Number
	config  *configpb.Trunk
	targets []*target
	health  map[Way]*health
	// datagrams are the addresses of UDP at which no connection came about, until when that
	// counts.
	datagrams map[netip.AddrPort]time.Time
	// said is what was told of whether it is reached; nothing before its name was found.
	said word
}

// word is what a Book has told of a trunk.
type word uint8

const (
	nothing word = iota
	reached
	unreached
)

// target is an address of it, with what was found.
type target struct {
	Target
	places []Place
	known  map[query]answer // that led to them
	// led are the addresses that it led to before, until when calls there may be up.
	led map[netip.AddrPort]time.Time
	// again is when it is looked up; the zero time for never. looking: it is now.
	again   time.Time
	looking bool
	err     error // of the last look-up
	vain    int   // look-ups since it was found; mostSought when the domain has said that there is none
	own     bool  // it was said that it leads to the cluster itself
}

// New makes a Book that has no trunks.
func New(cfg Config) *Book {
	if cfg.Own == nil {
		cfg.Own = func(netip.AddrPort) bool { return false }
	}
	if cfg.Cannot == nil {
		cfg.Cannot = func(Way) error { return nil }
	}
	return &Book{cfg: cfg, names: asker{NameServers: cfg.NameServers}, wake: wake.New(), trunks: map[dn.Number]*entry{}}
}

// Put notes how a trunk is configured; what is known of addresses that it still has stays.
func (b *Book) Put(n dn.Number, t *configpb.Trunk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.trunks[n]
	if old != nil && proto.Equal(old.config, t) {
		return
	}
	e := &entry{number: n, config: t, health: map[Way]*health{}, datagrams: map[netip.AddrPort]time.Time{}}
	if old != nil {
		e.health, e.said = old.health, old.said
	}
	for _, h := range e.health {
		h.until = time.Time{} // it was the trunk as it was before that wanted it
	}
	now := time.Now()
	for _, want := range targetsOf(t) {
		x := &target{Target: want, again: now}
		if list, ok := literal(want); ok {
			x.places, x.again = list, time.Time{}
		} else if old != nil {
			if i := slices.IndexFunc(old.targets, func(o *target) bool { return o.Target == want }); i >= 0 {
				was := *old.targets[i]
				was.looking = false
				x = &was
			}
		}
		e.targets = append(e.targets, x)
	}
	b.trunks[n] = e
	b.settle(e, now)
	b.wake.Send()
}

// Drop forgets a trunk.
func (b *Book) Drop(n dn.Number) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.trunks, n)
}

// Wake has the options read again.
func (b *Book) Wake() { b.wake.Send() }

// Recheck looks again which addresses are the cluster's own.
func (b *Book) Recheck() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.trunks {
		b.settle(e, time.Now())
	}
	b.wake.Send()
}

// places are those of a trunk, ranked by address first, without the cluster's own.
func (b *Book) places(e *entry) (list []Place) {
	for i, t := range e.targets {
		for _, p := range t.places {
			p.Rank += i << 16 // behind all priorities of those before
			if p.Ways = b.others(p.Ways); len(p.Ways) > 0 {
				list = append(list, p)
			}
		}
	}
	return list
}

// others are the ways that do not lead to the cluster itself.
func (b *Book) others(ways []Way) []Way {
	own := func(w Way) bool { return b.cfg.Own(w.Addr) }
	if !slices.ContainsFunc(ways, own) {
		return ways
	}
	return slices.DeleteFunc(slices.Clone(ways), own)
}

// settle makes the health fit the places.
func (b *Book) settle(e *entry, now time.Time) {
	known := map[Way]*health{}
	for _, t := range e.targets {
		for _, p := range t.places {
			for _, w := range p.Ways {
				if b.cfg.Own(w.Addr) && !t.own {
					b.cfg.Log.Error("a trunk leads back to this cluster and is not used there", "dn", string(e.number), "address", w.String())
					t.own = true
				}
			}
		}
	}
	for _, p := range b.places(e) {
		for _, w := range p.Ways {
			if known[w] = e.health[w]; known[w] == nil {
				known[w] = &health{since: now}
			}
		}
	}
	e.health = known
	b.tell(e)
}

// tell tells whether the trunk is reached, at first and when that has changed: while nobody
// has looked its name up it counts as before.
func (b *Book) tell(e *entry) {
	is, waits := unreached, false
	for _, h := range e.health {
		if !h.down {
			is = reached
		}
	}
	for _, t := range e.targets {
		waits = waits || len(t.places) == 0 && t.err == nil
	}
	if e.said == is || is == unreached && waits {
		return
	}
	e.said = is
	b.cfg.Reached(e.number, is == reached)
}

// Ways is the order in which a call tries the addresses of a trunk that are not down, and
// don't want to be left alone.
func (b *Book) Ways(n dn.Number) []Way {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.trunks[n]
	if e == nil {
		return nil
	}
	now := time.Now()
	down := func(w Way) bool {
		h := e.health[w]
		return h == nil || h.down || h.left(now) > 0
	}
	if len(e.health) == 1 { // as most are
		for w := range e.health {
			if !down(w) {
				return []Way{w}
			}
		}
		return nil
	}
	return Order(b.places(e), down, func(most int) int { return rand.IntN(most + 1) })
}

// Addrs are all addresses of a trunk, in the order of their look-up.
func (b *Book) Addrs(n dn.Number) (list []netip.AddrPort) {
	for _, w := range b.all(n) {
		if !slices.Contains(list, w.Addr) {
			list = append(list, w.Addr)
		}
	}
	return list
}

func (b *Book) all(n dn.Number) (list []Way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.trunks[n]; e != nil {
		for _, p := range b.places(e) {
			list = append(list, p.Ways...)
		}
	}
	return list
}

// Any is one of a trunk's ways, whether it is down or not.
func (b *Book) Any(n dn.Number) (Way, bool) {
	if all := b.all(n); len(all) > 0 {
		return all[0], true
	}
	return Way{}, false
}

// mostSought is how many look-ups of a name may fail until nobody waits for its first address
// any more: it takes less than a minute.
const mostSought = 2

// Sought tells whether nobody knows yet where a trunk is: no address of one of its names
// was found, and the domain has not said that there is none, and it is soon enough to hope.
func (b *Book) Sought(n dn.Number) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.trunks[n]
	return e != nil && slices.ContainsFunc(e.targets, func(t *target) bool {
		return len(t.places) == 0 && t.vain < mostSought
	})
}

// At is the way of a trunk to an address by a transport, or to another port of that host
// as the trunk is spoken to; false when it has none there.
func (b *Book) At(n dn.Number, addr netip.AddrPort, t location.Transport) (Way, bool) {
	all := b.all(n)
	for _, fits := range []func(Way) bool{
		func(w Way) bool { return w.Addr == addr && w.Transport == t },
		func(w Way) bool { return w.Addr == addr },
		func(w Way) bool { return w.Addr.Addr() == addr.Addr() },
	} {
		if i := slices.IndexFunc(all, fits); i >= 0 {
			w := all[i]
			w.Addr = addr
			return w, true
		}
	}
	return Way{}, false
}

// Heard notes that somebody answered at a way of a trunk, Silent that nobody answered a
// call there.
func (b *Book) Heard(n dn.Number, w Way) { b.note(n, w, (*health).heard) }

// Silent is the opposite of Heard, and why: the way is not tried until somebody answers there.
func (b *Book) Silent(n dn.Number, w Way, why error) {
	b.note(n, w, func(h *health, now time.Time) bool { return h.silent(now, why) })
}

// Later notes that a way of a trunk wants to be left alone for a while (RFC 3261 §21.5.4).
func (b *Book) Later(n dn.Number, w Way, d time.Duration) {
	b.note(n, w, func(h *health, now time.Time) bool {
		h.until = now.Add(min(d, quota.MaxPause))
		return false
	})
}

// Left is how much longer those ways of a trunk that are not down want to be left alone, all
// of them; 0 when one does not.
func (b *Book) Left(n dn.Number) (left time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.trunks[n]
	if e == nil {
		return 0
	}
	now := time.Now()
	for _, h := range e.health {
		switch d := h.left(now); {
		case h.down:
		case d == 0:
			return 0
		case left == 0 || d < left:
			left = d
		}
	}
	return left
}

func (b *Book) note(n dn.Number, w Way, what func(*health, time.Time) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.trunks[n]; e != nil && e.health[w] != nil {
		b.turn(e, w, what)
	}
}

// Stream is the way by TCP for what is too long for a datagram to a way (RFC 3261 §18.1.1);
// false when the trunk's transport is configured, or there was no connection lately.
func (b *Book) Stream(n dn.Number, w Way) (Way, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.trunks[n]
	if e == nil || w.Transport != location.UDP || e.config.GetTransport() != configpb.TrunkTransport_TRUNK_TRANSPORT_UNSPECIFIED || time.Now().Before(e.datagrams[w.Addr]) {
		return Way{}, false
	}
	w.Transport = location.TCP
	return w, true
}

// NoStream notes that no connection came about by what Stream gave.
func (b *Book) NoStream(n dn.Number, w Way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.trunks[n]; e != nil {
		maps.DeleteFunc(e.datagrams, func(_ netip.AddrPort, until time.Time) bool { return until.Before(time.Now()) })
		e.datagrams[w.Addr] = time.Now().Add(datagramsFor)
	}
}

// turn changes the health of a way, which is there.
func (b *Book) turn(e *entry, w Way, what func(*health, time.Time) bool) {
	h := e.health[w]
	if !what(h, time.Now()) {
		return
	}
	switch {
	case h.unable:
		b.cfg.Log.Warn("an address of a trunk is out of this node's reach and is not tried", "dn", string(e.number), "address", w.String(), "err", h.why)
	case h.down:
		b.cfg.Log.Warn("a trunk does not answer at an address", "dn", string(e.number), "address", w.String(), "err", h.why)
	default:
		b.cfg.Log.Info("a trunk answers at an address again", "dn", string(e.number), "address", w.String())
	}
	b.tell(e)
	b.wake.Send()
}

// every is how often a trunk is asked.
func (b *Book) every(e *entry) time.Duration {
	if e.config.GetNoOptions() {
		return 0
	}
	return b.cfg.Every()
}

// State is what is known of a way.
type State struct {
	// Address as it is configured, and the way that it led to; none when the name was not
	// found, as Err says; of a way that is down it says why.
	Address string
	Way     Way
	Err     error
	Down    bool
	Since   time.Time
	// Unable: this node has no way there, whether somebody answers or not.
	Unable bool
}

// States are those of a trunk's ways.
func (b *Book) States(n dn.Number) (list []State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.trunks[n]
	if e == nil {
		return nil
	}
	for _, t := range e.targets {
		if len(t.places) == 0 {
			list = append(list, State{Address: t.Address, Err: cmp.Or(t.err, errPending), Down: true})
		}
		for _, p := range t.places {
			for _, w := range p.Ways {
				h := e.health[w]
				if h == nil {
					list = append(list, State{Address: t.Address, Err: fmt.Errorf("%s %w", w, errOwn), Down: true})
					continue
				}
				list = append(list, State{Address: t.Address, Way: w, Err: h.why, Down: h.down, Since: h.since, Unable: h.unable})
			}
		}
	}
	return list
}

// OutOfReach tells whether this node has no way to any address of a trunk.
func (b *Book) OutOfReach(n dn.Number) bool {
	all := b.States(n)
	return len(all) > 0 && !slices.ContainsFunc(all, func(s State) bool { return !s.Unable })
}

// Count is how many ways all trunks have, and how many of them are down.
func (b *Book) Count() (ways, down int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.trunks {
		for _, h := range e.health {
			ways++
			if h.down {
				down++
			}
		}
	}
	return ways, down
}

// Held adds what the Book holds.
func (b *Book) Held(held map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held["sip_trunk_questions"] = b.asking
}
