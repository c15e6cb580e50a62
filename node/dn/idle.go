package dn

import (
	"cmp"
	"slices"
)

// Choice says which DN of a group is to take a call.
type Choice struct {
	// Media that the DN's should fit; 0 for any.
	Media Media
	// Here tells whether a node is one of those whose DNs come first.
	Here func(Node) bool
	// Ready: only DNs at which an agent is ready.
	Ready bool
	// May tells whether a call can be sent to the DN. It may use the table.
	May func(*Status) bool
}

// turn is a DN that can take the call.
type turn struct {
	Status
	fit  Fit
	here bool
	key
}

// before is the built-in strategy: DNs whose media fit the caller's first, then those that
// are here, then by key.
func (a *turn) before(b *turn) bool {
	switch {
	case a.fit != b.fit:
		return a.fit > b.fit
	case a.here != b.here:
		return a.here
	}
	return a.key.before(b.key, a.Number, b.Number)
}

// LongestIdle picks the DN of a group whose turn it is; false when there is none. It costs
// what it passes over, however many there are, but for the first time that a group is
// asked for. Like the stream it hears with Touch that a DN is free again. While a node has
// just been lost or is heard again, DNs with ways to several nodes may come in the order
// from before.
func (t *Table) LongestIdle(group string, c Choice) (Status, bool) {
	for !t.ranked(group) {
	}
	var best *turn
	for _, q := range t.queues(group, c) {
		if best != nil && (best.fit > q.fit || best.fit == q.fit && best.here && !q.here) {
			break
		}
		if x := q.next(t, group, c); x != nil && (best == nil || x.before(best)) {
			best = x
		}
	}
	if best == nil {
		return Status{}, false
	}
	return best.Status, true
}

// queue is a line that is looked through, or all whose time has come: with the best that
// can be there.
type queue struct {
	line
	due  bool
	fit  Fit
	here bool
}

// queues are those that may have a DN for the call, the best first.
func (t *Table) queues(group string, c Choice) []queue {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r := t.ranks[group]
	if r == nil {
		return nil
	}
	all := []queue{{due: true, fit: Together, here: true}}
	for l := range r.lines {
		if heard, here := t.reached(l, c.Here); heard && (l.ready || !c.Ready) {
			all = append(all, queue{line: l, fit: c.Media.Fits(l.media), here: here})
		}
	}
	slices.SortFunc(all[1:], func(a, b queue) int {
		switch {
		case a.fit != b.fit:
			return cmp.Compare(b.fit, a.fit)
		case a.here == b.here:
			return 0
		case a.here:
			return -1
		}
		return 1
	})
	return all
}

// reached tells whether a node of the line is heard, and whether one may be here.
func (t *Table) reached(l line, is func(Node) bool) (heard, here bool) {
	if l.second == manyWays {
		return true, true
	}
	for _, node := range []uint8{l.first, l.second} {
		if node == 0 {
			continue
		}
		if o := t.nodes[node-1]; o != nil && o.heard {
			heard, here = true, here || is(o.id)
		}
	}
	return heard, here
}

// firstLook and lastLook bound how many of a queue are looked at under one hold of the lock.
const firstLook, lastLook = 4, 128

// next is the first DN of the queue that may take the call: of those whose time has come,
// which stand in no order, the best.
func (q queue) next(t *Table, group string, c Choice) (best *turn) {
	var from *rank
	for n, more := firstLook, true; more; n = min(2*n, lastLook) {
		var all []*turn
		all, from, more = q.look(t, group, c, from, n)
		for _, x := range all {
			if (best == nil || x.before(best)) && c.May(&x.Status) {
				if best = x; !q.due {
					return best
				}
			}
		}
	}
	return best
}

// look reads up to n of the queue behind a rank, nil for its head.
func (q queue) look(t *Table, group string, c Choice, from *rank, n int) (all []*turn, last *rank, more bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	last = from
	t.behind(q, group, from, func(x *rank) bool {
		last = x
		if s := t.status(x.e, t.current(x.e)); s.Routable(c.Ready) {
			all = append(all, &turn{Status: s, fit: c.Media.Fits(s.Media), here: c.Here(s.Owner), key: t.keyOf(x.e, &s, t.cfg.Level(s.Number, group))})
		}
		n--
		more = n == 0
		return !more
	})
	return all, last, more
}

// behind visits the queue behind a rank.
func (t *Table) behind(q queue, group string, from *rank, visit func(*rank) bool) {
	r := t.ranks[group]
	if r == nil {
		return
	}
	order, now := r.lines[q.line], t.clock()
	if q.due {
		order = r.timed
	}
	next := func(x *rank) bool {
		return x == from || (!q.due || x.until <= now) && visit(x)
	}
	switch {
	case order == nil:
	case from == nil:
		order.Ascend(next)
	default:
		order.AscendGreaterOrEqual(from, next)
	}
}
