// Package recent remembers what came last, in bounded memory.
package recent

import "iter"

// Map remembers as many keys as were put last, each with its value. Not for several
// goroutines at once.
type Map[K comparable, V any] struct {
	most       int
	young, old map[K]V
}

// NewMap makes one that remembers the last most keys at least, and at most twice as many.
func NewMap[K comparable, V any](most int) Map[K, V] { return Map[K, V]{most: most} }

// Put remembers v in place of what k had.
func (m *Map[K, V]) Put(k K, v V) {
	if _, ok := m.young[k]; !ok && len(m.young) >= m.most || m.young == nil {
		m.young, m.old = map[K]V{}, m.young
	}
	m.young[k] = v
}

// Get is what k has.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if v, ok = m.young[k]; !ok {
		v, ok = m.old[k]
	}
	return v, ok
}

// Delete forgets k.
func (m *Map[K, V]) Delete(k K) {
	delete(m.young, k)
	delete(m.old, k)
}

// All are the keys, each once, and what they have, in no order.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range m.young {
			if !yield(k, v) {
				return
			}
		}
		for k, v := range m.old {
			if _, again := m.young[k]; !again && !yield(k, v) {
				return
			}
		}
	}
}
