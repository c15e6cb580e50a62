package guard

import (
	"container/list"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/sip/digest"
)

const (
	// tries of wrong passwords are answered: of one DN from one source until a right
	// one, and of several DNs from one source in a window.
	tries  = 10
	window = time.Minute
	// A silence is as long as firstSilence after the last try that was answered, and
	// twice as long after each that follows it, up to longestSilence.
	firstSilence   = time.Minute
	longestSilence = time.Hour
	// remembered is how long wrong passwords count, from the end of their silence.
	remembered = time.Hour
	// maxPairs of source and DN have their wrong passwords counted; then the one is
	// forgotten that was tried longest ago.
	maxPairs = 16384
	// maxUser is longer than any DN.
	maxUser = 64
)

// brakes slow down who tries passwords: a source is silenced for the one DN, and the
// DN goes on for all other sources. Only who can hear the challenges at a source
// can have a try counted there (digest.Wrong).
//
// Nothing is kept of a source without wrong passwords, and a look at marks tells so.
type brakes struct {
	now   func() time.Time
	start time.Time
	seed  maphash.Seed
	// registered tells whether a DN is registered from a source.
	registered func(number []byte, from netip.Addr) bool
	// marks count sources by their hash.
	marks [4096]atomic.Int32

	mu      sync.Mutex
	sources map[netip.Addr]*guesses
	pairs   map[pairKey]*pair
	order   list.List // of *pair, the one that was tried longest ago first
}

func newBrakes(now func() time.Time, registered func([]byte, netip.Addr) bool) *brakes {
	return &brakes{now: now, start: now(), seed: maphash.MakeSeed(), registered: registered, sources: map[netip.Addr]*guesses{}, pairs: map[pairKey]*pair{}}
}

// try is one try of a password, from begin to end.
type try struct {
	source netip.Addr
	user   []byte
	ha1    string // of the account; with another one all begins anew
	print  uint32 // of the request; a repetition is the same try
	held   bool   // mu, until its end
}

// outcome is what became of a try.
type outcome struct {
	// failures of the pair when this was one; banned is how long it is silent then.
	failures int
	banned   time.Duration
}

// begin is called before the password is looked at; false says that there were too
// many, and it must not be. Otherwise an end follows.
func (b *brakes) begin(t *try) bool {
	if !b.troubled(t.source) {
		return true
	}
	b.mu.Lock() // until the end: of many at once not one more passes
	now := b.clock()
	if t.held = b.open(t, now); !t.held {
		b.mu.Unlock()
	}
	return t.held
}

// open tells whether there were not too many tries before. The caller holds mu.
func (b *brakes) open(t *try, now time.Duration) bool {
	return !b.pair(t.source, t.user, t.ha1, now).silent(now) && (!b.sources[t.source].sprays(now) || b.registered(t.user, t.source))
}

// end notes what the password was found to be. False says that there were too many by now,
// of those that began at once with this one and found no wrong password before.
func (b *brakes) end(t *try, v digest.Verdict) (o outcome, ok bool) {
	if !t.held && v != digest.Wrong && !b.troubled(t.source) {
		return o, true
	}
	if !t.held {
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	now := b.clock()
	if !t.held && !b.open(t, now) {
		return o, false
	}
	if v == digest.Wrong {
		return b.failed(t, now), true
	}
	if p := b.pair(t.source, t.user, t.ha1, now); p != nil && v == digest.OK {
		b.drop(p)
	}
	return o, true
}

// silent tells whether a source is not answered about an account.
func (b *brakes) silent(a netip.Addr, user []byte, ha1 string) bool {
	if !b.troubled(a) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	return b.pair(a, user, ha1, now).silent(now)
}

// clock is monotonic: a step of the wall clock ends no silence.
func (b *brakes) clock() time.Duration { return b.now().Sub(b.start) }

func (b *brakes) mark(a netip.Addr) *atomic.Int32 {
	at := a.As16()
	return &b.marks[maphash.Bytes(b.seed, at[:])%uint64(len(b.marks))]
}

// troubled is false for a source of which no wrong password is remembered.
func (b *brakes) troubled(a netip.Addr) bool { return b.mark(a).Load() > 0 }

// pair is what is remembered of a source and an account; nil for nothing.
func (b *brakes) pair(a netip.Addr, user []byte, ha1 string, now time.Duration) *pair {
	p := b.pairs[pairKey{a, string(user)}]
	if p != nil && (p.forgotten(now) || p.ha1 != maphash.String(b.seed, ha1)) {
		b.drop(p)
		return nil
	}
	return p
}

// failed counts a wrong password.
func (b *brakes) failed(t *try, now time.Duration) (o outcome) {
	if len(t.user) > maxUser {
		return o
	}
	b.forget(now)
	p := b.pair(t.source, t.user, t.ha1, now)
	if p == nil {
		p = b.add(t)
	} else if p.print == t.print {
		return o
	}
	p.print = t.print
	b.order.MoveToBack(p.place)
	b.sources[t.source].failed(now)
	p.failed(now, func() bool { return b.registered(t.user, t.source) })
	return outcome{p.failures, p.silence}
}

func (b *brakes) add(t *try) *pair {
	if len(b.pairs) >= maxPairs {
		b.drop(b.order.Front().Value.(*pair))
	}
	p := &pair{key: pairKey{t.source, string(t.user)}, ha1: maphash.String(b.seed, t.ha1), print: ^t.print}
	p.place = b.order.PushBack(p)
	b.pairs[p.key] = p
	s := b.sources[t.source]
	if s == nil {
		s = &guesses{}
		b.sources[t.source] = s
		b.mark(t.source).Add(1)
	}
	s.pairs++
	return p
}

func (b *brakes) drop(p *pair) {
	b.order.Remove(p.place)
	delete(b.pairs, p.key)
	if s := b.sources[p.key.source]; s.pairs > 1 {
		s.pairs--
		return
	}
	delete(b.sources, p.key.source)
	b.mark(p.key.source).Add(-1)
}

// forget drops what is not remembered any longer, of much a piece; what was tried last is
// remembered as long as all before it, but for their silences.
func (b *brakes) forget(now time.Duration) {
	for n, e := 0, b.order.Front(); n < walk.Most && e != nil && e.Value.(*pair).forgotten(now); n, e = n+1, b.order.Front() {
		b.drop(e.Value.(*pair))
	}
}
