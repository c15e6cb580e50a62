package dn

import (
	"slices"

	"github.com/google/btree"
)

// key orders the DNs of a group that are alike in media and site.
type key struct {
	// idle is since when nothing was asked of the DN, ns since the epoch.
	idle int64
	// level in the group, calls that it has or is reserved for.
	level uint32
	calls int32
}

// before: those of the highest level come first, then who has the fewest calls, then who is
// idle for the longest time, then the smaller number.
func (k key) before(o key, n, m Number) bool {
	switch {
	case k.level != o.level:
		return k.level > o.level
	case k.calls != o.calls:
		return k.calls < o.calls
	case k.idle != o.idle:
		return k.idle < o.idle
	}
	return n < m
}

// rank is where an entry stands in the order of a group. Immutable.
type rank struct {
	e *entry
	key
	// until is when time alone may change that, by the table's clock; 0 for never. A
	// stalled one can take no call until then.
	until   int64
	line    line
	stalled bool
}

// line is a queue of DNs that are alike in all that the order of a group asks first: who
// has them, the media, and whether an agent is ready there.
type line struct {
	// first has the DN, second is the other node that does, both one more; 0 is none, and
	// manyWays stands for several.
	first, second uint8
	media         Media
	ready         bool
}

const manyWays = ^uint8(0)

type ranking = *btree.BTreeG[*rank]

// ranks are the DNs of a group in order. They are made when the group is asked for the
// first time, a chunk under each hold of the lock, and kept from then on wherever an entry
// is told. Guarded by Table.mu.
type ranks struct {
	of    map[*entry]*rank
	lines map[line]ranking
	// timed are those with a time, by that.
	timed ranking
	// built up to a number, or whole.
	built Number
	whole bool
}

func newRanks() *ranks {
	return &ranks{of: map[*entry]*rank{}, lines: map[line]ranking{}, timed: btree.NewG(orderDegree, func(a, b *rank) bool {
		return a.until < b.until || a.until == b.until && a.e.number < b.e.number
	})}
}

func newRanking() ranking {
	return btree.NewG(orderDegree, func(a, b *rank) bool { return a.key.before(b.key, a.e.number, b.e.number) })
}

// put has an entry stand where the rank says.
func (r *ranks) put(is rank) {
	was := r.of[is.e]
	if was != nil && *was == is {
		return
	}
	r.leave(was)
	r.enter(is)
}

// enter puts a rank into the queues that it is in.
func (r *ranks) enter(is rank) {
	r.of[is.e] = &is
	if is.until != 0 {
		r.timed.ReplaceOrInsert(&is)
	}
	if is.stalled {
		return
	}
	if r.lines[is.line] == nil {
		r.lines[is.line] = newRanking()
	}
	r.lines[is.line].ReplaceOrInsert(&is)
}

// drop has an entry stand nowhere.
func (r *ranks) drop(e *entry) {
	r.leave(r.of[e])
	delete(r.of, e)
}

// leave takes a rank out of the queues that it is in; nil is in none.
func (r *ranks) leave(was *rank) {
	if was == nil {
		return
	}
	if was.until != 0 {
		r.timed.Delete(was)
	}
	if was.stalled {
		return
	}
	l := r.lines[was.line]
	if l.Delete(was); l.Len() == 0 {
		delete(r.lines, was.line)
	}
}

// rerank keeps the order of the groups that an entry was in, and is.
func (t *Table) rerank(e *entry, was []string, is place, changed renewal) {
	if len(t.ranks) == 0 {
		return
	}
	for _, g := range was {
		if r := t.ranks[g]; r != nil && !slices.Contains(is.groups, g) {
			if r.drop(e); r.whole && len(r.of) == 0 {
				delete(t.ranks, g)
			}
		}
	}
	for _, g := range is.groups {
		if r := t.ranks[g]; r != nil {
			t.rank(r, e, g, is, changed)
		}
	}
}

// rank puts an entry into the order of a group by what its status says, as if its owner
// were heard. One whose phone does not answer is in none.
func (t *Table) rank(r *ranks, e *entry, group string, p place, changed renewal) {
	v, first := e.told, p.node
	if changed != justTold {
		v = t.current(e)
	}
	s := t.status(e, v)
	if e.told.state == InSrv {
		first = e.told.owner
	}
	rec := e.by(first)
	if rec == nil || !p.apart && rec.reason == Unresponsive {
		r.drop(e)
		return
	}
	if s.State != InSrv {
		s.Since = rec.since
	}
	var level uint32
	if was := r.of[e]; was != nil && changed != configured {
		level = was.level
	} else {
		level = t.cfg.Level(e.number, group)
	}
	until := t.turns(e)
	r.put(rank{
		e: e, key: t.keyOf(e, &s, level), until: until, stalled: until != 0 && (s.CoolUntil != 0 || s.Reserved && !s.Room),
		line: line{first: first + 1, second: e.besides(first), media: rec.traits.spoken().Media(), ready: s.Agent.in()},
	})
}

// besides is the node that has the DN in service besides another one, and one more; 0 for
// none, manyWays for several.
func (e *entry) besides(first uint8) (node uint8) {
	for i := range e.recs {
		switch r := &e.recs[i]; {
		case r.state != InSrv || r.node == first:
		case node != 0:
			return manyWays
		default:
			node = r.node + 1
		}
	}
	return node
}

// keyOf a status with a level in the group.
func (t *Table) keyOf(e *entry, s *Status, level uint32) key {
	k := key{idle: max(s.Since, t.used[e]), level: level, calls: s.Taken}
	if s.Agent != nil {
		k.idle = max(k.idle, s.Agent.Since)
	}
	return k
}

// turns is when time alone changes what can be sent to an entry next: a reservation ends,
// or it has been left alone for long enough. 0 for never.
func (t *Table) turns(e *entry) (at int64) {
	k := t.keeper(e)
	if k == nil {
		return 0
	}
	soonest := func(until int64) {
		if at == 0 || until < at {
			at = until
		}
	}
	if x := t.said(e, k).x; t.cooling(x) {
		soonest(x.cool)
	}
	if t.reservation(k) == nil {
		return at
	}
	for h := range k.x.holds.all(t.clock()) {
		soonest(h.until)
	}
	if o := t.nodes[k.node]; !o.heard {
		soonest(o.lostClock + int64(Lease))
	}
	return at
}

// ranked makes a chunk of the order of a group; true when it is whole, or nobody is in it.
func (t *Table) ranked(group string) bool {
	t.mu.RLock()
	r, m := t.ranks[group], t.free.teams[group]
	whole := r == nil && m == nil || r != nil && r.whole
	t.mu.RUnlock()
	if whole {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, m = t.ranks[group], t.free.teams[group]; m == nil {
		delete(t.ranks, group)
		return true
	}
	if r == nil {
		r = newRanks()
		t.ranks[group] = r
	}
	all, last, more := t.chunk(m, r.built, func(uint8) bool { return true })
	for _, e := range all {
		t.rank(r, e, group, t.free.places[e], configured)
	}
	r.built, r.whole = last, !more
	return r.whole
}

// Used notes that this node has sent a call to the DN, which is idle since now.
func (t *Table) Used(n Number) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.entries[n]; e != nil {
		t.used[e] = t.cfg.Now().UnixNano()
		t.settlePlace(e, asTime)
	}
}
