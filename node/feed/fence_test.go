package feed

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// world is a node that says things, the copy of what it said, and the links that
// brought them, those included that were replaced and whose last messages are still
// under way. No goroutine, no time.
type world struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	// The publisher: what it has, and the last history changes of it.
	incarnation, head uint64
	has               state
	changes           []change
	history           uint64
	// said is the oracle: what the publisher had at each place.
	said map[Position]state
	// The follower: the copy, with the round that mentioned each key last.
	fence Fence
	copy  map[int]row
	// known is the newest incarnation that the follower was told of.
	known uint64
	links []*link
	// newest may write, and nobody else; nil after the copy began anew.
	newest  *link
	resumed int
}

type (
	state map[int]uint64
	// change sets a key, or takes it away with 0.
	change struct {
		key   int
		value uint64
	}
	row struct{ value, round uint64 }
)

// link is one connection: what it has still to deliver, in order.
type link struct {
	incarnation uint64
	reader      Reader
	queue       []message
	feed        Feed
}

type message struct {
	kind    Kind
	resumed bool
	seq     uint64
	change
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 1)), said: map[Position]state{}, copy: map[int]row{}}
	w.history = 1 + w.r.Uint64N(6)
	w.restart()
	return w
}

// restart is the publisher's next incarnation, which has forgotten everything.
func (w *world) restart() {
	w.incarnation += 1 + w.r.Uint64N(3)
	w.head, w.has, w.changes = 1, state{}, nil
	w.note()
}

func (w *world) note() { w.said[Position{w.incarnation, w.head}] = maps.Clone(w.has) }

// act changes something at the publisher.
func (w *world) act() {
	c := change{key: w.r.IntN(4), value: w.r.Uint64N(3)}
	w.head++
	c.apply(w.has)
	w.changes = append(w.changes, c)
	w.note()
}

func (c change) apply(s state) {
	if c.value == 0 {
		delete(s, c.key)
	} else {
		s[c.key] = c.value
	}
}

// tail is the position behind which the publisher still has all changes.
func (w *world) tail() uint64 { return w.head - min(w.head-1, w.history) }

// connect begins a link. Those before may still deliver.
func (w *world) connect() {
	w.links = slices.DeleteFunc(w.links, (*link).opening)
	l := &link{incarnation: w.incarnation, reader: NewReader(w.fence.Position())}
	resumed := l.reader.Start(w.incarnation, w.tail(), w.head)
	l.queue = append(l.queue, message{kind: Started, resumed: resumed})
	if !resumed {
		for _, k := range slices.Sorted(maps.Keys(w.has)) {
			l.queue = append(l.queue, message{kind: Row, change: change{k, w.has[k]}})
		}
	}
	l.queue = append(l.queue, message{kind: EndOfSnapshot, seq: l.reader.Seq})
	w.links = append(w.links, l)
}

// publish puts on a link of this incarnation what it has not said there yet.
func (w *world) publish(l *link) {
	if l.incarnation != w.incarnation || l.reader.Seq < w.tail() {
		return
	}
	for l.reader.Seq < w.head {
		l.reader.Seq++
		l.queue = append(l.queue, message{kind: Change, seq: l.reader.Seq, change: w.changes[l.reader.Seq-2]})
	}
}

// deliver hands a link's next message to the follower.
func (w *world) deliver(l *link) {
	m := l.queue[0]
	l.queue = l.queue[1:]
	if m.kind == Started {
		w.begin(l, m.resumed)
		return
	}
	if l.feed.f == nil {
		return // it was refused
	}
	err := l.feed.Check()
	if (err == nil) != (w.newest == l) || err != nil && !errors.Is(err, ErrFenced) {
		w.fail("a feed of incarnation %d, the newest is %v: %v", l.incarnation, w.newest == l, err)
	}
	switch m.kind {
	case Row, Change:
		if err == nil {
			w.write(m.change)
		}
		if m.kind == Change {
			w.same(err, l.feed.Reached(m.seq))
		}
	case EndOfSnapshot:
		if err == nil && l.feed.Full {
			maps.DeleteFunc(w.copy, func(_ int, r row) bool { return r.round != w.fence.Round() })
		}
		w.same(err, l.feed.Synced(m.seq))
	}
}

func (w *world) begin(l *link, resumed bool) {
	before := w.fence.Position()
	want := error(nil)
	switch {
	case l.incarnation < w.known:
		want = ErrStale
	case resumed && before.Incarnation != l.incarnation:
		want = ErrFenced
	}
	feed, err := w.fence.Begin(l.incarnation, resumed)
	if !errors.Is(err, want) {
		w.fail("a feed of incarnation %d, resumed %v, known is %d, the copy at %+v: %v", l.incarnation, resumed, w.known, before, err)
	}
	if err != nil {
		return
	}
	if feed.Full == resumed || feed.Full == w.fence.Whole() {
		w.fail("resumed %v from %+v: full is %v, whole %v", resumed, before, feed.Full, w.fence.Whole())
	}
	if resumed {
		w.resumed++
	}
	w.known, w.newest, l.feed = l.incarnation, l, feed
}

func (w *world) write(c change) {
	if c.value == 0 {
		delete(w.copy, c.key)
		return
	}
	w.copy[c.key] = row{c.value, w.fence.Round()}
}

func (w *world) same(checked, done error) {
	if !errors.Is(done, checked) {
		w.fail("checked: %v, done: %v", checked, done)
	}
}

// saw is gossip, which may be late.
func (w *world) saw(incarnation uint64) {
	if newer := w.fence.Saw(incarnation); newer != (incarnation > w.known) {
		w.fail("incarnation %d is newer than %d: %v", incarnation, w.known, newer)
	} else if newer {
		w.known, w.newest = incarnation, nil
	}
}

func (w *world) step() {
	switch w.r.IntN(16) {
	case 0, 1, 2, 3:
		w.act()
	case 4, 5:
		w.connect()
	case 6:
		w.saw(w.r.Uint64N(w.incarnation + 1))
	case 7:
		w.fence.Reset()
		w.newest = nil
	case 8:
		if w.r.IntN(3) == 0 {
			w.restart()
		}
	default:
		w.some()
	}
	w.check()
}

// some link is lost with what it had under way, or says more and delivers some.
// One that has asked for its place says hello first: the follower asks again only
// when its last link has ended.
func (w *world) some() {
	if len(w.links) == 0 {
		return
	}
	i := w.r.IntN(len(w.links))
	if last := len(w.links) - 1; w.links[last].opening() {
		i = last
	}
	l := w.links[i]
	if w.r.IntN(10) == 0 {
		w.links = slices.Delete(w.links, i, i+1)
		return
	}
	w.publish(l)
	for range w.r.IntN(8) {
		if len(l.queue) > 0 {
			w.deliver(l)
			w.check()
		}
	}
}

func (l *link) opening() bool { return len(l.queue) > 0 && l.queue[0].kind == Started }

// check wants a whole copy to be what the publisher had at the copy's position,
// and nobody to resume from one that is not whole.
func (w *world) check() {
	at := w.fence.Position()
	if w.fence.Incarnation() != w.known || w.fence.Whole() != (at != Position{}) {
		w.fail("at %+v, whole %v, incarnation %d, known is %d", at, w.fence.Whole(), w.fence.Incarnation(), w.known)
	}
	if !w.fence.Whole() {
		return
	}
	has := state{}
	for k, r := range w.copy {
		has[k] = r.value
	}
	if want, ok := w.said[at]; !ok || !maps.Equal(has, want) {
		w.fail("at %+v the copy has %v, the publisher had %v", at, has, want)
	}
}

// settle delivers all that is under way, then connects once more.
func (w *world) settle() {
	w.links = slices.DeleteFunc(w.links, (*link).opening)
	for _, l := range w.links {
		for len(l.queue) > 0 {
			w.deliver(l)
			w.check()
		}
	}
	w.connect()
	l := w.links[len(w.links)-1]
	w.publish(l)
	for len(l.queue) > 0 {
		w.deliver(l)
	}
	w.check()
	if at := w.fence.Position(); at != (Position{w.incarnation, w.head}) {
		w.fail("at the end at %+v, the publisher is at %d of %d", at, w.head, w.incarnation)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s", w.seed, fmt.Sprintf(format, args...))
}

// Links that break, overlap and deliver late, restarts, late gossip, a publisher
// that forgets: only the newest feed of the newest incarnation writes, and what is
// whole is what was said.
func TestFence_ACopyIsWhatWasSaid(t *testing.T) {
	runs := uint64(20_000)
	if testing.Short() {
		runs = 2_000
	}
	resumed := 0
	for seed := range runs {
		w := newWorld(t, seed)
		for range 80 {
			w.step()
		}
		w.settle()
		resumed += w.resumed
	}
	if resumed < int(runs) {
		t.Errorf("only %d feeds resumed", resumed)
	}
}

// An incarnation that no start can have counts for nothing: the node's next start would
// never exceed it.
func TestFence_AnIncarnationThatNoStartHas(t *testing.T) {
	var f Fence
	for _, absurd := range []uint64{MaxIncarnation + 1, math.MaxInt64, math.MaxUint64} {
		if _, err := f.Begin(absurd, false); !errors.Is(err, ErrIncarnation) {
			t.Errorf("%d: %v", absurd, err)
		}
		if f.Saw(absurd) {
			t.Errorf("%d was seen", absurd)
		}
	}
	if _, err := f.Begin(7, false); err != nil {
		t.Errorf("the node itself is kept out: %v", err)
	}
}
