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
	// blocks hold the changes behind position base, blockSize each; the first ones are
	// dropped when enough others are kept.
	blocks    [][]change
	blockSize int
	base      uint64
	// least changes are kept, and as many as there are entries in of: so that a word on all
	// of them, as that a node is lost, leaves no reader behind who reads as fast as others.
	least int
	of    order
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

// journalBlock is how many changes are dropped together.
const journalBlock = 4096

func newJournal(least int, of order) journal {
	return journal{blockSize: min(least, journalBlock), least: least, of: of, idle: feed.Waiters{}, holding: feed.Waiters{}}
}

// add makes the entry's present value the newest change of its kind. One that
// isn't urgent may be held back for LazyDelay.
func (j *journal) add(e *entry, place uint8, urgent bool) {
	j.head++
	if last := len(j.blocks) - 1; last < 0 || len(j.blocks[last]) == j.blockSize {
		j.blocks = append(j.blocks, make([]change, 0, j.blockSize))
	}
	last := &j.blocks[len(j.blocks)-1]
	*last = append(*last, change{e, place})
	for j.base+uint64(j.blockSize) <= j.tail() {
		j.blocks[0] = nil
		j.blocks = j.blocks[1:]
		j.base += uint64(j.blockSize)
	}
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
	i := int(seq - 1 - j.base)
	c := j.blocks[i/j.blockSize][i%j.blockSize]
	if c.e.seq[c.place] != uint32(seq) {
		return nil, 0
	}
	return c.e, c.place
}

// tail is the position behind which everything is still here.
func (j *journal) tail() uint64 {
	return max(j.base, j.head-min(j.head, uint64(max(j.least, j.of.tree.Len()))))
}

// holds tells whether everything behind a position is still here.
func (j *journal) holds(seq uint64) bool { return j.tail() <= seq && seq <= j.head }
