package history

import (
	"math"
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Position is a place in a Store: of each Kind how many events were told before it.
type Position [Kinds]uint64

// Span is what a Read had before it.
type Span struct {
	// First are the oldest events that the store had.
	First Position
	// Next are those with which who goes on begins: the first that was not told, or else
	// those that were told after the Read began.
	Next Position
}

// Query says which events are wanted. The zero Query wants all.
type Query struct {
	// From and Until, both included, by this node's clock, ns since the epoch; Until 0: no end.
	From, Until int64
	// Begin, included, and End, excluded, in this Store; End nil: no end.
	Begin Position
	End   *Position
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

// Read tells the events that a query wants, in order of time, until each returns false: that
// event counts as not told. Of one Kind they come in the order of their positions, also where
// the clock was set back meanwhile. An Event is each's until it returns.
func (s *Store) Read(q *Query, each func(*Event) bool) Span {
	var next [Kinds]cursor
	var span Span
	s.mu.Lock()
	for k := range s.rings {
		r := &s.rings[k]
		span.First[k], span.Next[k] = r.first(), r.head
		end := uint64(math.MaxUint64)
		if q.End != nil {
			end = q.End[k]
		}
		span.Next[k] = min(span.Next[k], end)
		if !q.Without[k] {
			next[k] = r.between(q.Begin[k], end)
		}
	}
	s.mu.Unlock()
	s.merge(&next, q, each, &span.Next)
	return span
}

// merge tells the events of several cursors by time, and where those begin that were not told.
func (s *Store) merge(next *[Kinds]cursor, q *Query, each func(*Event) bool, rest *Position) {
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
		if first < 0 {
			return
		}
		if !each(&heads[first]) {
			break
		}
		advance(first)
	}
	for k := range heads {
		if has[k] {
			rest[k] = heads[k].Seq
		}
	}
}

// next reads the next event that is wanted.
func (q *Query) next(c *cursor, all []dn.Node, e *Event) bool {
	for {
		b, seq, more := c.next(q.From, q.until())
		if !more {
			return false
		}
		r := reader{b: b, names: all}
		*e = Event{Kind: Kind(r.byte()), Seq: seq, At: r.time(), By: r.node()}
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
