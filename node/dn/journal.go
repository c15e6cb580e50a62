package dn

import "github.com/sipcluster/sipcluster/node/feed"

// The two streams of a table.
const (
	// visible: what clients are told.
	visible = iota
	// own: every word of this node about its DNs, refreshes too, for its peers.
	own
	journals
)

// journal orders changes. It holds no values: position seq names an entry and
// what changed of it, and a reader takes the entry's present value, unless the entry has changed again
// since, which then stands at a later position. So it is bounded, changes of
// one DN merge for a slow reader, and the last one never gets lost.
// Guarded by Table.mu.
type journal struct {
	ring []change
	// head is the newest position, urgent the newest that must go out at once.
	head, urgent uint64
	// Readers that found nothing to read, and those that hold lazy changes back.
	idle, holding feed.Waiters
}

// change is one position.
type change struct {
	e     *entry
	place uint8
}

func newJournal(size int) journal {
	return journal{ring: make([]change, size), idle: feed.Waiters{}, holding: feed.Waiters{}}
}

// add makes the entry's present value the newest change of its kind. One that
// isn't urgent may be held back for LazyDelay.
func (j *journal) add(e *entry, place uint8, urgent bool) {
	j.head++
	j.ring[j.head%uint64(len(j.ring))] = change{e, place}
	e.seq[place] = uint32(j.head)
	j.idle.Wake()
	if urgent {
		j.urgent = j.head
		j.holding.Wake()
	}
}

// at returns the entry whose present value stands at a position, nil when it
// has moved on.
func (j *journal) at(seq uint64) (*entry, uint8) {
	c := j.ring[seq%uint64(len(j.ring))]
	if c.e.seq[c.place] != uint32(seq) {
		return nil, 0
	}
	return c.e, c.place
}

// tail is the position behind which everything is still here.
func (j *journal) tail() uint64 { return j.head - min(j.head, uint64(len(j.ring))) }

// holds tells whether everything behind a position is still here.
func (j *journal) holds(seq uint64) bool { return j.tail() <= seq && seq <= j.head }
