package feed

import (
	"encoding/binary"
	"errors"
)

// Cursor is a place in all that a node says to a client: its stream of DNs and its
// log of calls. Clients keep it and give it back; they don't read it. The zero
// Cursor is none.
type Cursor struct {
	// Incarnation of the node.
	Incarnation uint64
	// DNs and Calls are the positions; Calls is 0 when the client hears of no calls.
	DNs, Calls uint64
}

// MaxCursor is the length of a cursor in bytes.
const MaxCursor = 1 + 9 + 2*binary.MaxVarintLen64

// ErrCursor says that bytes are no cursor.
var ErrCursor = errors.New("not a cursor that a node gave")

// cursorForm is the form of a cursor's bytes.
const cursorForm = 1

// Bytes are what the client gets; nil for the zero Cursor.
func (c Cursor) Bytes() []byte {
	if c == (Cursor{}) {
		return nil
	}
	b := make([]byte, 0, MaxCursor)
	b = append(b, cursorForm)
	b = binary.AppendUvarint(b, c.Incarnation)
	b = binary.AppendUvarint(b, c.DNs)
	return binary.AppendUvarint(b, c.Calls)
}

// ParseCursor reads what a client gives back. Whether the place is still there the
// table says that is read.
func ParseCursor(b []byte) (c Cursor, err error) {
	if len(b) == 0 {
		return Cursor{}, nil
	}
	if b[0] != cursorForm {
		return Cursor{}, ErrCursor
	}
	rest := b[1:]
	for _, part := range []*uint64{&c.Incarnation, &c.DNs, &c.Calls} {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return Cursor{}, ErrCursor
		}
		*part, rest = v, rest[n:]
	}
	if len(rest) > 0 || c.Incarnation > MaxIncarnation {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

// Position is the place in the stream of DNs.
func (c Cursor) Position() Position { return Position{c.Incarnation, c.DNs} }
