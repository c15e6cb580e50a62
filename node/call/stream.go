package call

import (
	"context"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// LegRow is what the node says of a call of another one, to a peer, in a snapshot.
const LegRow = feed.Change + 1

// Item of a stream.
type Item struct {
	// Kind: a Row is a call that is up, a Change an event.
	Kind feed.Kind
	// Seq is the position behind this item; 0 for rows.
	Seq uint64
	// Resumed: Started without a snapshot to follow.
	Resumed bool
	Call    *Call
	Leg     *Carried
	Event   *Event
}

// batchSize is how many items Next returns at most.
const batchSize = 256

// Stream reads a log: the calls that are up, all of one moment, their end, then
// every event in order. It has one reader; the writers never wait for it. A
// reader that lags by more than the log holds gets the calls that are up again.
type Stream struct {
	t    *Table
	log  *eventLog
	of   *origin // nil: of all nodes
	read feed.Reader
	// state
	phase phase
	rows  []*Call
	legs  []*Carried
}

type phase uint8

const (
	starting phase = iota
	inRows
	tail
)

// Watch reads what this node's clients are told: the calls of all nodes, and
// what is told at this node alone.
func (t *Table) Watch(from feed.Position) *Stream {
	return &Stream{t: t, log: &t.visible, read: feed.NewReader(from)}
}

// Tail reads what clients are told from now on.
func (t *Table) Tail() *Stream {
	s := t.Watch(feed.Position{})
	s.phase, s.read.Seq = tail, t.Head()
	return s
}

// Follow reads the events of this node's own calls: what its peers follow.
func (t *Table) Follow(from feed.Position) *Stream {
	return &Stream{t: t, log: &t.own, of: t.self, read: feed.NewReader(from)}
}

// Head is the newest position of what clients are told.
func (t *Table) Head() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.visible.head
}

// Head is the log's newest position.
func (s *Stream) Head() uint64 {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.log.head
}

// Seq is the position up to which everything was read.
func (s *Stream) Seq() uint64 { return s.read.Seq }

// Next appends the next items to buf, some hundred at most, and waits while there
// are none. The error is the context's.
func (s *Stream) Next(ctx context.Context, buf []Item) ([]Item, error) {
	return feed.Next(ctx, &s.read, buf, s.take, s.leave)
}

func (s *Stream) leave() {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	delete(s.log.idle, &s.read)
}

// take reads what there is.
func (s *Stream) take(buf []Item) ([]Item, time.Duration) {
	if s.phase == inRows {
		return s.readRows(buf), 0
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	wait := time.Duration(-1)
	if s.of != nil {
		wait = s.t.tellLegs(s.t.cfg.Now())
	}
	switch {
	case s.phase == starting || !s.log.holds(s.read.Seq):
		return s.start(buf), 0
	case s.read.Seq == s.log.head:
		s.log.idle[&s.read] = struct{}{}
		return buf, wait
	}
	for n := 0; n < batchSize && s.read.Seq < s.log.head; n++ {
		s.read.Seq++
		buf = append(buf, Item{Kind: feed.Change, Seq: s.read.Seq, Event: *s.log.place(s.read.Seq)})
	}
	return buf, 0
}

// start begins behind the event that was read last, or else with a snapshot.
func (s *Stream) start(buf []Item) []Item {
	s.phase = tail
	if s.of != nil {
		s.t.tellAllLegs()
	}
	resumed := s.read.Start(s.t.cfg.Incarnation, s.log.tail, s.log.head)
	switch {
	case resumed:
	case s.of == nil:
		s.phase, s.rows = inRows, s.t.up()
	default:
		s.phase, s.rows, s.legs = inRows, slices.Clone(s.of.up), s.t.carrying()
	}
	return append(buf, Item{Kind: feed.Started, Resumed: resumed, Seq: s.read.Seq})
}

func (s *Stream) readRows(buf []Item) []Item {
	n := min(len(s.rows), batchSize)
	for _, c := range s.rows[:n] {
		buf = append(buf, Item{Kind: feed.Row, Call: c})
	}
	if s.rows = s.rows[n:]; len(s.rows) > 0 {
		return buf
	}
	n = min(len(s.legs), batchSize-n)
	for _, l := range s.legs[:n] {
		buf = append(buf, Item{Kind: LegRow, Leg: l})
	}
	if s.legs = s.legs[n:]; len(s.legs) == 0 {
		s.phase, s.rows, s.legs = tail, nil, nil
		buf = append(buf, Item{Kind: feed.EndOfSnapshot, Seq: s.read.Seq})
	}
	return buf
}
