package call

import (
	"iter"
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
)

// walkChunk is how many calls are visited under one hold of the lock.
const walkChunk = 512

// All yields the calls that clients were told of, of all nodes, and those that wait, as Up
// does, with the table free in between. A call that is up all the time is yielded at least
// once, perhaps twice.
func (t *Table) All() iter.Seq[*Call] {
	return func(yield func(*Call) bool) {
		for _, n := range t.origins() {
			// Who ends gives its place to the last one: from the end nobody is missed.
			for end := -1; end != 0; {
				var some []*Call
				some, end = t.chunk(n, end)
				for _, c := range some {
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// Seen is one of those.
func (t *Table) Seen(id ID) (*Call, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.calls[id]
	if e == nil {
		return nil, false
	}
	for _, c := range t.shown([]*Call{e.call}) {
		return c, true
	}
	return nil, false
}

func (t *Table) origins() []dn.Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]dn.Node, 0, len(t.nodes))
	for n := range t.nodes {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// chunk are the calls of a node in front of a place, -1 for the end, and the place in front
// of which the next ones are.
func (t *Table) chunk(n dn.Node, end int) ([]*Call, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	some, from := t.someUp(n, end)
	return t.shown(some), from
}

// someUp is chunk, of all that others were told of. The caller holds mu.
func (t *Table) someUp(n dn.Node, end int) ([]*Call, int) {
	o := t.nodes[n]
	if o == nil {
		return nil, 0
	}
	if end < 0 || end > len(o.up) {
		end = len(o.up)
	}
	from := max(end-walkChunk, 0)
	return o.up[from:end], from
}

// shown are those of some calls that clients see.
func (t *Table) shown(some []*Call) (out []*Call) {
	for _, c := range some {
		if e := t.calls[c.ID]; e.visible() || c.Queue != nil && !e.over {
			if c = t.asSeen(c); c != nil {
				out = append(out, c)
			}
		}
	}
	return out
}
