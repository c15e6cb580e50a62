package fsm

import (
	"encoding/binary"
	"errors"

	"github.com/google/btree"
)

// Remembered is the number of request ids whose outcome is kept: at 1,000
// writes a second it covers 4 s, twice the time a client waits for an answer.
const Remembered = 4096

// memory holds the outcomes of the last commands, so that a retry under the
// same request id is answered and not applied again. It is replicated state.
type memory struct {
	byID  *tree[outcome]
	order *btree.BTreeG[*outcome]
	next  uint64
}

// outcome is what became of one request.
type outcome struct {
	seq   uint64
	id    string
	index uint64
	err   *Rejection // nil: applied
}

func newMemory() memory {
	return memory{
		byID:  newTree[outcome](),
		order: btree.NewG(degree, func(a, b *outcome) bool { return a.seq < b.seq }),
	}
}

func (m memory) get(id string) *outcome {
	e, _ := m.byID.Get(entry[outcome]{key: id})
	return e.val
}

// with returns the memory with o added under the next number, and the outcome
// that had to go for it, if any.
func (m memory) with(o *outcome) (memory, *outcome) {
	o.seq = m.next
	n := memory{byID: m.byID.Clone(), order: m.order.Clone(), next: m.next + 1}
	n.insert(o)
	if n.order.Len() <= Remembered {
		return n, nil
	}
	old, _ := n.order.DeleteMin()
	n.byID.Delete(entry[outcome]{key: old.id})
	return n, old
}

func (m *memory) insert(o *outcome) {
	m.byID.ReplaceOrInsert(entry[outcome]{o.id, o})
	m.order.ReplaceOrInsert(o)
	m.next = max(m.next, o.seq+1)
}

var errOutcome = errors.New("damaged outcome of a request")

// encode writes seq, index, kind, mutation and the two texts.
func (o *outcome) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, o.seq)
	b = binary.BigEndian.AppendUint64(b, o.index)
	kind, mutation, text := byte(0), 0, ""
	if o.err != nil {
		kind, mutation, text = kindNumber(o.err.Kind), o.err.Mutation, o.err.Text
	}
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(mutation))
	b = binary.AppendUvarint(b, uint64(len(o.id)))
	b = append(b, o.id...)
	return append(b, text...)
}

func decodeOutcome(b []byte) (*outcome, error) {
	if len(b) < 17 {
		return nil, errOutcome
	}
	o := &outcome{seq: binary.BigEndian.Uint64(b), index: binary.BigEndian.Uint64(b[8:])}
	kind, b := b[16], b[17:]
	mutation, n := binary.Uvarint(b)
	if n <= 0 || mutation > 1<<20 || int(kind) >= len(kinds) || o.seq == 1<<64-1 {
		return nil, errOutcome
	}
	b = b[n:]
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return nil, errOutcome
	}
	b = b[n:]
	o.id = string(b[:length])
	if kind != 0 {
		o.err = &Rejection{Mutation: int(mutation), Kind: kinds[kind], Text: string(b[length:])}
	}
	return o, nil
}
