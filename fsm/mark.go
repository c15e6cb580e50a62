package fsm

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"
)

// Mark is the state at an index in brief: nodes that applied the same log have
// equal sums at equal indexes.
type Mark struct {
	Index uint64
	Sum   Sum
}

// Sum is the exclusive or of the SHA-256 of each object of the store, under its
// key. A write changes it by what it replaces and what it puts, so it costs no
// look at the rest.
type Sum [sha256.Size]byte

// String is the sum in lower-case hex.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// ParseSum returns the sum of its bytes; false when they are none.
func ParseSum(b []byte) (s Sum, ok bool) { return s, copy(s[:], b) == len(s) && len(b) == len(s) }

// summer changes a sum; its buffer is used again.
type summer struct {
	sum Sum
	buf []byte
}

// flip adds the object, or takes it away when it is in the sum. What stands there
// as nil is no object. The applied index is beside the sum, not in it.
func (s *summer) flip(bucket, key string, value []byte) {
	if value == nil || bucket == bucketMeta && key == keyIndex {
		return
	}
	s.buf = append(binary.AppendUvarint(s.buf[:0], uint64(len(bucket))), bucket...)
	s.buf = append(binary.AppendUvarint(s.buf, uint64(len(key))), key...)
	s.buf = append(s.buf, value...)
	h := sha256.Sum256(s.buf)
	subtle.XORBytes(s.sum[:], s.sum[:], h[:])
}

// keptMarks is how far back a node knows its marks: a peer that asks is behind, or
// ahead, by a few commands.
const keptMarks = 1024

// marks are those of the last commands, in order of index.
type marks struct {
	mu   sync.Mutex
	list []Mark // never empty
}

func (k *marks) add(more ...Mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, more...)
	if n := len(k.list); n > 2*keptMarks {
		k.list = slices.Clone(k.list[n-keptMarks:])
	}
}

// restart forgets the marks of a state that was replaced.
func (k *marks) restart(m Mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = []Mark{m}
}

// Mark returns that of the last command that the store includes.
func (m *Machine) Mark() Mark {
	m.marks.mu.Lock()
	defer m.marks.mu.Unlock()
	return m.marks.list[len(m.marks.list)-1]
}

// MarkAt returns the mark at that index; false when it is too old, to come, or the
// index is of no command.
func (m *Machine) MarkAt(index uint64) (Mark, bool) {
	m.marks.mu.Lock()
	defer m.marks.mu.Unlock()
	i, ok := slices.BinarySearchFunc(m.marks.list, index, func(k Mark, index uint64) int { return cmp.Compare(k.Index, index) })
	if !ok {
		return Mark{}, false
	}
	return m.marks.list[i], true
}
