package history

import (
	"math"
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Query says which events are wanted. The zero Query wants all.
type Query struct {
	// From and Until, both included, by this node's clock, ns since the epoch; Until 0: no end.
	From, Until int64
	// Without are kinds that are not wanted.
	Without [Kinds]bool
	// DN that they are about; "" any.
	DN dn.Number
	// Told tells of an event, its kind, time, node and DN only, whether it is wanted; nil: it is.
	Told func(*Event) bool
}

// until is the end as a time.
func (q *Query) until() int64 {
	if q.Until == 0 {
		return math.MaxInt64
	}
	return q.Until
}

// Read tells the events that a query wants, in order of time, until each returns false. An
// Event is each's until it returns.
func (s *Store) Read(q *Query, each func(*Event) bool) {
	var next [Kinds]cursor
	s.mu.Lock()
	for k := range s.rings {
		if !q.Without[k] {
			next[k] = s.rings[k].from(0)
		}
	}
	s.mu.Unlock()
	s.merge(&next, q, each)
}

// merge tells the events of several cursors by time.
func (s *Store) merge(next *[Kinds]cursor, q *Query, each func(*Event) bool) {
	s.mu.Lock()
	all := s.names.all // those that what was read has
	s.mu.Unlock()
	var heads [Kinds]Event
	var has [Kinds]bool
	advance := func(k int) { has[k] = !q.Without[k] && q.next(&next[k], all, &heads[k]) }
	for k := range heads {
		advance(k)
	}
	for {
		first := -1
		for k := range heads {
			if has[k] && (first < 0 || heads[k].At < heads[first].At) {
				first = k
			}
		}
		if first < 0 || !each(&heads[first]) {
			return
		}
		advance(first)
	}
}

// next reads the next event that is wanted.
func (q *Query) next(c *cursor, all []dn.Node, e *Event) bool {
	for {
		b, more := c.next(q.From, q.until())
		if !more {
			return false
		}
		r := reader{b: b, names: all}
		*e = Event{Kind: Kind(r.byte()), At: r.time(), By: r.node()}
		number := r.bytes()
		if e.At < q.From || e.At > q.until() || q.DN != "" && string(number) != string(q.DN) {
			continue
		}
		if e.DN = dn.Number(number); q.Told == nil || q.Told(e) {
			r.body(e)
			return true
		}
	}
}

// Past returns the last changes of a DN, at most that many, the oldest first.
func (s *Store) Past(n dn.Number, most int) (last []dn.Past) {
	q := Query{DN: n}
	q.Without[Call], q.Without[Link] = true, true
	s.Read(&q, func(e *Event) bool {
		last = append(last, e.Change)
		if len(last) >= 2*most+64 { // seldom: what was found first is of no use
			last = slices.Delete(last, 0, len(last)-most)
		}
		return true
	})
	return last[max(0, len(last)-most):]
}
