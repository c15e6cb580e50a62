// Package feed is how what one node says reaches the copy of it that another one
// holds: the place up to which a reader has read (Position, Reader), who may
// write the copy, and how far it reaches (Fence). It knows nothing of what is
// said: node/dn feeds DNs by it, node/call calls.
package feed

import "errors"

var (
	// ErrStale says that a newer incarnation of the node is known.
	ErrStale = errors.New("stale incarnation")
	// ErrIncarnation says that an incarnation is none that a start can have.
	ErrIncarnation = errors.New("impossible incarnation")
	// ErrFenced says that a newer link feeds the copy, or that the copy began anew.
	ErrFenced = errors.New("the copy has a newer feed")
	// ErrTooManyNodes says that MaxNodes is reached.
	ErrTooManyNodes = errors.New("too many nodes")
)

// MaxNodes is how many nodes a table can hold copies of, its own included.
const MaxNodes = 255

// DefaultHistory is how many changes or events a reader may lag behind before
// it gets a snapshot again.
const DefaultHistory = 1 << 16

// Position is a place in what a node says; the zero Position asks for a snapshot.
type Position struct {
	// Incarnation of the node that said it.
	Incarnation uint64
	// Seq of the last change or event that was read.
	Seq uint64
}

// Kind of an item of a stream.
type Kind uint8

const (
	// Started opens a stream, and announces a snapshot when a reader was too slow.
	Started Kind = iota
	// Row of a snapshot.
	Row
	// EndOfSnapshot: all rows were sent, what had none is gone; changes follow.
	EndOfSnapshot
	// Change or event.
	Change
)
