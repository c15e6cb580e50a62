package transaction

import (
	"hash/maphash"
	"sync"
)

// table holds transactions by key, in parts that have locks of their own.
type table[T any] struct {
	seed  maphash.Seed
	parts [64]struct {
		mu   sync.Mutex
		open map[string]T
	}
}

func newTable[T any]() *table[T] {
	t := &table[T]{seed: maphash.MakeSeed()}
	for i := range t.parts {
		t.parts[i].open = map[string]T{}
	}
	return t
}

func (t *table[T]) get(key []byte) (T, bool) {
	p := &t.parts[maphash.Bytes(t.seed, key)&63]
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.open[string(key)]
	return v, ok
}

// add puts v under the key; what is there already stays and is returned.
func (t *table[T]) add(key string, v T) (T, bool) {
	p := &t.parts[maphash.String(t.seed, key)&63]
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.open[key]; ok {
		return old, false
	}
	p.open[key] = v
	return v, true
}

func (t *table[T]) drop(key string) {
	p := &t.parts[maphash.String(t.seed, key)&63]
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, key)
}

func (t *table[T]) all() (list []T) {
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		for _, v := range p.open {
			list = append(list, v)
		}
		p.mu.Unlock()
	}
	return list
}

func (t *table[T]) len() (n int) {
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		n += len(p.open)
		p.mu.Unlock()
	}
	return n
}
