// Package walk is how everything that a lock guards is visited: in pieces, between which
// the lock is given up, so that who waits for it waits for a piece, however much there is.
package walk

import (
	"iter"
	"sync"
)

// Most is how many records are visited at most under one hold of a lock.
const Most = 4096

// Map yields the entries of a map whose lock the caller holds; it is held while the body
// runs and given up behind each Most of them. The map may change meanwhile, by the body
// too: what is there all the time is yielded once, what comes may be or not, and what goes
// and comes back perhaps twice. What the body decides must hold for an entry by itself.
func Map[K comparable, V any](held sync.Locker, m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		p := Pieces{Held: held}
		for k, v := range m {
			if !yield(k, v) {
				return
			}
			p.Step()
		}
	}
}

// Slice is Map for a list, which nobody else changes; its elements may.
func Slice[V any](held sync.Locker, list []V) iter.Seq2[int, V] {
	return func(yield func(int, V) bool) {
		p := Pieces{Held: held}
		for i, v := range list {
			if !yield(i, v) {
				return
			}
			p.Step()
		}
	}
}

// Pieces counts the steps of any other walk under a lock that its caller holds.
type Pieces struct {
	Held  sync.Locker
	steps int
}

// Step is called behind each step. When it gives the lock up the next step must follow
// from what is there then.
func (p *Pieces) Step() {
	if p.steps++; p.steps == Most {
		p.steps = 0
		p.Held.Unlock()
		p.Held.Lock()
	}
}
