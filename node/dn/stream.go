package dn

import (
	"context"
	"iter"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// LazyDelay is how long a refresh may wait for company on its way to the
// peers: it changes nothing that a client sees.
const LazyDelay = 100 * time.Millisecond

// Item of a stream: the Status in the visible one, the Record in the own one.
type Item struct {
	// Kind: a Row is that of a DN, which may come twice; the later row counts. In
	// the own stream EndOfSnapshot also ends the changes that a resume has to catch
	// up with.
	Kind feed.Kind
	// Seq is the position behind this item; 0 for rows.
	Seq uint64
	// Resumed: Started without a snapshot to follow.
	Resumed bool
	// What changed, of a Change in the visible stream.
	What   What
	Status Status
	Record Record
}

// What of a DN changed.
type What uint8

const (
	// State, owner or reason.
	StateChange What = placeState
	// AgentChange: the agent's state.
	AgentChange What = placeAgent
	// UseChange: busy, reserved, or whether the phone answers.
	UseChange What = placeUse
	// OwnerChange: another node has the DN, which was in service all the time.
	OwnerChange What = placeOwner
)

// Stream reads one of the table's streams: a snapshot, its end, then the
// changes in order. It has one reader; the writers never wait for it. A
// reader that lags gets several changes of one DN as the last of them, or, when
// it lags by more changes than Config.History and than there are DNs, a snapshot again.
type Stream struct {
	t    *Table
	kind int
	read feed.Reader
	// state
	phase phase
	after Number    // last row
	held  time.Time // since when lazy changes wait

	rows snapshotRows
	with comparison
}

// snapshotRows are the DNs of which a snapshot has rows: those that among yields behind a
// number, or without it all from behind after on until past says that there are no more.
type snapshotRows struct {
	after Number
	past  func(Number) bool
	among func(after Number) iter.Seq[Number]
}

type phase uint8

const (
	starting phase = iota
	rows
	catchUp
	resuming
	tail
)

// Watch reads what is visible: the stream that clients follow.
func (t *Table) Watch(from feed.Position) *Stream { return t.stream(visible, from) }

// Tail reads the visible changes from now on, without a beginning: for a reader
// that asks for what came before by Get. A reader that falls far behind gets
// a snapshot in between.
func (t *Table) Tail() *Stream {
	s := t.stream(visible, feed.Position{})
	s.phase, s.read.Seq = tail, s.Head()
	return s
}

// Follow reads this node's own records, refreshes included: the stream that
// its peers follow.
func (t *Table) Follow(from feed.Position) *Stream { return t.stream(own, from) }

func (t *Table) stream(kind int, from feed.Position) *Stream {
	return &Stream{t: t, kind: kind, read: feed.NewReader(from)}
}

// Among has the snapshot tell of some DNs only, which rows yields in order of number, those
// behind a number at a time; it costs what these are. The changes are those of all DNs.
func (s *Stream) Among(rows func(after Number) iter.Seq[Number]) *Stream {
	s.rows.among = rows
	return s
}

// Between is Among for the DNs behind a number of which past is false: those are behind
// each other, and all others behind them.
func (s *Stream) Between(after Number, past func(Number) bool) *Stream {
	s.rows.after, s.rows.past = after, past
	return s
}

// Head is the stream's newest position.
func (s *Stream) Head() uint64 { return s.t.head(s.kind) }

// Head is the newest position of the visible stream.
func (t *Table) Head() uint64 { return t.head(visible) }

func (t *Table) head(kind int) uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.journals[kind].head
}

// Seq is the position up to which everything was read.
func (s *Stream) Seq() uint64 { return s.read.Seq }

// Next appends the next items to buf, some hundred at most, and waits while there are
// none. The error is the context's.
func (s *Stream) Next(ctx context.Context, buf []Item) ([]Item, error) {
	return feed.Next(ctx, &s.read, buf, s.take, s.leave)
}

func (s *Stream) leave() {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	delete(s.t.journals[s.kind].idle, &s.read)
	delete(s.t.journals[s.kind].holding, &s.read)
}

// take reads what there is; when there is nothing it says how long at most to wait.
func (s *Stream) take(buf []Item) ([]Item, time.Duration) {
	switch s.phase {
	case starting:
		return s.start(buf), 0
	case rows:
		if len(s.with.ranges) > 0 && s.after >= s.with.tell {
			return s.compare(buf), 0
		}
		return s.readRows(buf), 0
	default:
		return s.readTail(buf)
	}
}

func (s *Stream) start(buf []Item) []Item {
	t := s.t
	t.mu.RLock()
	defer t.mu.RUnlock()
	j := &t.journals[s.kind]
	resumed := s.read.Start(t.cfg.Incarnation, j.tail(), j.head)
	switch {
	case !resumed:
		s.after, s.phase = s.rows.after, rows
	case s.kind == own:
		s.phase = resuming
	default:
		s.phase = tail
	}
	return append(buf, Item{Kind: feed.Started, Resumed: resumed, Seq: s.read.Seq})
}

// readRows reads a chunk of the snapshot. What changes meanwhile is read again
// in the phase catchUp, still as rows.
func (s *Stream) readRows(buf []Item) []Item {
	var some []Number
	if s.rows.among != nil {
		some = s.chosen()
	}
	t := s.t
	t.mu.RLock()
	defer t.mu.RUnlock()
	row := func(e *entry) {
		if it := s.item(e, feed.Row); !it.Record.Gone {
			buf = append(buf, it)
		}
	}
	more := len(some) == chunkSize
	for _, n := range some {
		if e := t.entries[n]; e != nil {
			row(e)
		}
	}
	switch {
	case s.rows.among != nil:
	case s.after < s.with.tell:
		var further bool
		if s.after, further = t.order.within(s.after, s.with.tell, chunkSize, row); !further {
			s.after = s.with.tell
		}
		more = true
	default:
		s.after, more = t.order.behind(s.after, chunkSize, row)
		more = more && (s.rows.past == nil || !s.rows.past(s.after))
	}
	if !more {
		s.phase = catchUp
	}
	return buf
}

// chosen are the next DNs of Among.
func (s *Stream) chosen() []Number {
	some := make([]Number, 0, firstChunk)
	for n := range s.rows.among(s.after) {
		if some = append(some, n); len(some) == chunkSize {
			break
		}
	}
	if len(some) > 0 {
		s.after = some[len(some)-1]
	}
	return some
}

// item is an entry as the stream shows it.
func (s *Stream) item(e *entry, k feed.Kind) Item {
	if s.kind == visible {
		return Item{Kind: k, Status: s.t.status(e, e.told)}
	}
	return Item{Kind: k, Record: s.t.export(e)}
}

func (s *Stream) readTail(buf []Item) ([]Item, time.Duration) {
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	j := &t.journals[s.kind]
	wait := time.Duration(-1)
	if s.kind == own {
		wait = t.endDropped()
	}
	switch {
	case !j.holds(s.read.Seq):
		s.read.Seq, s.after, s.phase, s.with = j.head, s.rows.after, rows, comparison{}
		return append(buf, Item{Kind: feed.Started, Seq: s.read.Seq}), 0
	case s.phase == catchUp:
		return s.catchUp(buf, j, feed.Row), 0
	case s.phase == resuming:
		return s.catchUp(buf, j, feed.Change), 0
	case s.read.Seq == j.head:
		j.idle[&s.read] = struct{}{}
		return buf, wait
	case j.urgent <= s.read.Seq && s.holdBack(j):
		return buf, LazyDelay
	}
	return s.readChanges(buf, j, feed.Change), 0
}

// holdBack lets lazy changes wait for company; false when they have waited.
func (s *Stream) holdBack(j *journal) bool {
	now := s.t.cfg.Now()
	if s.held.IsZero() {
		s.held = now
	}
	if now.Sub(s.held) >= LazyDelay {
		return false
	}
	j.holding[&s.read] = struct{}{}
	return true
}

// catchUp reads up to the newest change, and says so.
func (s *Stream) catchUp(buf []Item, j *journal, k feed.Kind) []Item {
	buf = s.readChanges(buf, j, k)
	if s.read.Seq == j.head {
		s.phase = tail
		buf = append(buf, Item{Kind: feed.EndOfSnapshot, Seq: s.read.Seq})
	}
	return buf
}

func (s *Stream) readChanges(buf []Item, j *journal, k feed.Kind) []Item {
	s.held = time.Time{}
	for n := 0; n < chunkSize && s.read.Seq < j.head; n++ {
		s.read.Seq++
		if e, place := j.at(s.read.Seq); e != nil {
			if place == placeOwner && e.told.state != InSrv {
				continue // it is out of service since, which is said as well
			}
			it := s.item(e, k)
			it.What = What(place)
			if k == feed.Change {
				it.Seq = s.read.Seq
			}
			buf = append(buf, it)
		}
	}
	return buf
}
