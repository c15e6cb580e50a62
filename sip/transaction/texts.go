package transaction

import "bytes"

const (
	// maxSpares is how many texts a layer keeps for later, maxSpare how long they may be.
	maxSpares = 32
	maxSpare  = 4 << 10
)

// texts are the messages that transactions keep, in what earlier ones took: that is still in
// the processor's cache, and nothing for the collector.
type texts struct{ spares [][]byte }

// keep copies a message.
func (t *texts) keep(b []byte) []byte {
	last := len(t.spares) - 1
	if last < 0 {
		return bytes.Clone(b)
	}
	x := t.spares[last]
	t.spares = t.spares[:last]
	return append(x[:0], b...)
}

// drop gives one back, which nobody may look at any more. It returns nil.
func (t *texts) drop(b []byte) []byte {
	if b != nil && cap(b) <= maxSpare && len(t.spares) < maxSpares {
		t.spares = append(t.spares, b)
	}
	return nil
}
