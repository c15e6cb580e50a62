package history

import (
	"encoding/binary"
	"time"
)

// blockSize is how many bytes of events are dropped together.
const blockSize = 16 << 10

// block has events behind one another, each with its length before it. What is in data never
// changes; a copy of a block is what it held then.
type block struct {
	data []byte
	// first is the position of the first event, n how many there are.
	first uint64
	n     int
	// oldest and newest time of them: clocks are set back.
	oldest, newest int64
	// age of the store when the block was begun.
	age time.Duration
}

// ring keeps the last events in blocks. Guarded by Store.mu.
type ring struct {
	blocks []*block
	// events are kept at least, as far as bytes allow.
	events, bytes int
	count, size   int
	// head is the position behind the newest event.
	head uint64
	// since: nothing that happened later was dropped, by the clock as it was set then; and how
	// old the store was.
	since    int64
	sinceAge time.Duration
}

func (r *ring) add(at int64, age func() time.Duration, event []byte) {
	need := len(event) + binary.MaxVarintLen32
	last := len(r.blocks) - 1
	if last < 0 || cap(r.blocks[last].data)-len(r.blocks[last].data) < need {
		r.blocks = append(r.blocks, &block{data: make([]byte, 0, max(blockSize, need)), first: r.head, oldest: at, newest: at, age: age()})
		last++
		r.size += cap(r.blocks[last].data)
	}
	b := r.blocks[last]
	b.data = binary.AppendUvarint(b.data, uint64(len(event)))
	b.data = append(b.data, event...)
	b.n++
	b.oldest, b.newest = min(b.oldest, at), max(b.newest, at)
	r.head++
	r.count++
	for len(r.blocks) > 1 && (r.size > r.bytes || r.count-r.blocks[0].n >= r.events) {
		r.drop()
	}
}

func (r *ring) drop() {
	b := r.blocks[0]
	r.count -= b.n
	r.size -= cap(b.data)
	r.since, r.sinceAge = max(r.since, b.newest+1), r.blocks[1].age
	r.blocks[0] = nil
	r.blocks = r.blocks[1:]
}

// oldest is when the oldest event happened, 0 without one.
func (r *ring) oldest() (at int64) {
	for i, b := range r.blocks {
		if i == 0 || b.oldest < at {
			at = b.oldest
		}
	}
	return at
}

// first is the position of the oldest event that is kept; head without one.
func (r *ring) first() uint64 {
	if len(r.blocks) == 0 {
		return r.head
	}
	return r.blocks[0].first
}

// between is where the events of positions are read, the first included, the last not.
func (r *ring) between(begin, end uint64) cursor {
	c := cursor{end: min(end, r.head)}
	if begin >= c.end {
		return c
	}
	c.blocks = make([]block, 0, 8)
	for i := len(r.blocks) - 1; i >= 0; i-- {
		b := *r.blocks[i]
		if b.first >= c.end {
			continue
		}
		c.blocks = append(c.blocks, b)
		if b.first <= begin {
			c.skip = int(begin - b.first)
			break
		}
	}
	return c
}

// cursor reads events of blocks, of which the last is the first.
type cursor struct {
	blocks []block
	data   []byte
	// skip so many events of the first block.
	skip int
	// seq is the position of the next event in data, end that behind the last one.
	seq, end uint64
}

// next returns the next event that may be within a time, and its position; false at the end.
// What it returns is not to be changed.
func (c *cursor) next(from, until int64) (event []byte, seq uint64, more bool) {
	for len(c.data) == 0 {
		last := len(c.blocks) - 1
		if last < 0 {
			return nil, 0, false
		}
		b := c.blocks[last]
		c.blocks = c.blocks[:last]
		if b.newest >= from && b.oldest <= until {
			c.data, c.seq = b.data, b.first
			for ; c.skip > 0; c.skip-- {
				c.event()
			}
		}
		c.skip = 0
	}
	if c.seq >= c.end {
		c.blocks, c.data = nil, nil
		return nil, 0, false
	}
	seq = c.seq
	return c.event(), seq, true
}

func (c *cursor) event() []byte {
	size, n := binary.Uvarint(c.data)
	end := n + int(size)
	event := c.data[n:end:end]
	c.data = c.data[end:]
	c.seq++
	return event
}
