package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/google/btree"

	"github.com/sipcluster/sipcluster/node/peerpb"
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
	// content tells what was asked for; "" when an older program did not keep it.
	content string
}

// contentOf is what tells the contents of requests apart: whoever gives it again does
// so with the same mutations.
func contentOf(cmd *peerpb.Command) string {
	sum := sha256.Sum256(encode(&peerpb.Command{Mutations: cmd.GetMutations()}))
	return string(sum[:contentSize])
}

// contentSize is the length of a content in bytes; hasContent marks a stored outcome
// that has one.
const contentSize, hasContent = 16, 0x80

// answer is what a repetition gets.
func (o *outcome) answer(cmd *peerpb.Command) *Rejection {
	if o.content != "" && o.content != contentOf(cmd) {
		return reject(ErrReused, "request id %.40q was given to another request before, and this one was not applied: choose a new id", o.id)
	}
	return o.err
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

// encode writes seq, index, kind, content, mutation and the two texts.
func (o *outcome) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, o.seq)
	b = binary.BigEndian.AppendUint64(b, o.index)
	kind, mutation, text := byte(0), 0, ""
	if o.err != nil {
		kind, mutation, text = kindNumber(o.err.Kind), o.err.Mutation, o.err.Text
	}
	if o.content != "" {
		kind |= hasContent
	}
	b = append(append(b, kind), o.content...)
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
	if kind&hasContent != 0 {
		if len(b) < contentSize {
			return nil, errOutcome
		}
		kind, o.content, b = kind&^hasContent, string(b[:contentSize]), b[contentSize:]
	}
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
