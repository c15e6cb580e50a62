package call

import (
	"context"
	"slices"

	"github.com/sipcluster/sipcluster/internal/wake"
)

// Resume is a place in a log.
type Resume struct {
	// Incarnation of the node that wrote it.
	Incarnation uint64
	// Seq of the last event that was read.
	Seq uint64
}

// ItemKind is what an Item is.
type ItemKind uint8

const (
	// Started opens a stream, and announces a snapshot when a reader was too slow.
	Started ItemKind = iota
	// Row is a call that is up.
	Row
	// EndOfSnapshot: all rows were sent, what had none is over; events follow.
	EndOfSnapshot
	// Happened: an event.
	Happened
	// LegRow is what the node says of a call of another one, to a peer.
	LegRow
)

// Item of a stream.
type Item struct {
	Kind ItemKind
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
	wake wake.Signal
	from Resume
	// state
	phase phase
	rows  []*Call
	legs  []*Carried
	seq   uint64
}

type phase uint8

const (
	starting phase = iota
	inRows
	tail
)

// Watch reads what this node's clients are told: the calls of all nodes, and
// what is told at this node alone.
func (t *Table) Watch(from Resume) *Stream {
	return &Stream{t: t, log: &t.visible, from: from, wake: wake.New()}
}

// Tail reads what clients are told from now on.
func (t *Table) Tail() *Stream {
	s := t.Watch(Resume{})
	s.phase, s.seq = tail, t.Head()
	return s
}

// Follow reads the events of this node's own calls: what its peers follow.
func (t *Table) Follow(from Resume) *Stream {
	return &Stream{t: t, log: &t.own, of: t.self, from: from, wake: wake.New()}
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
func (s *Stream) Seq() uint64 { return s.seq }

// Next appends the next items to buf, some hundred at most, and waits while there
// are none. The error is the context's.
func (s *Stream) Next(ctx context.Context, buf []Item) ([]Item, error) {
	for n := len(buf); ; {
		if err := ctx.Err(); err != nil {
			return buf, err
		}
		if buf = s.take(buf); len(buf) > n {
			return buf, nil
		}
		select {
		case <-ctx.Done():
			s.t.mu.Lock()
			delete(s.log.idle, s)
			s.t.mu.Unlock()
		case <-s.wake:
		}
	}
}

// take reads what there is.
func (s *Stream) take(buf []Item) []Item {
	if s.phase == inRows {
		return s.readRows(buf)
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	switch {
	case s.phase == starting || !s.log.holds(s.seq):
		return s.start(buf)
	case s.seq == s.log.head:
		s.log.idle[s] = struct{}{}
		return buf
	}
	for n := 0; n < batchSize && s.seq < s.log.head; n++ {
		s.seq++
		buf = append(buf, Item{Kind: Happened, Seq: s.seq, Event: *s.log.place(s.seq)})
	}
	return buf
}

// start begins behind the event that was read last, or else with a snapshot.
func (s *Stream) start(buf []Item) []Item {
	from := s.from
	s.from = Resume{} // a later start is for slowness: it can't resume
	if from.Incarnation == s.t.cfg.Incarnation && from.Seq > 0 && s.log.holds(from.Seq) {
		s.phase, s.seq = tail, from.Seq
		return append(buf, Item{Kind: Started, Resumed: true, Seq: s.seq})
	}
	if s.phase, s.seq = inRows, s.log.head; s.of == nil {
		s.rows = s.t.up()
	} else {
		s.rows, s.legs = slices.Clone(s.of.up), s.t.carrying()
	}
	return append(buf, Item{Kind: Started, Seq: s.seq})
}

func (s *Stream) readRows(buf []Item) []Item {
	n := min(len(s.rows), batchSize)
	for _, c := range s.rows[:n] {
		buf = append(buf, Item{Kind: Row, Call: c})
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
		buf = append(buf, Item{Kind: EndOfSnapshot, Seq: s.seq})
	}
	return buf
}
