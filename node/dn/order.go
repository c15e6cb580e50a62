package dn

import (
	"slices"
	"strings"
)

// freshMax bounds the unsorted tail of an order, and so the time of a merge's sort.
const freshMax = 1024

// order keeps the entries by number. New ones gather in fresh until somebody
// walks or freshMax is reached, so that an insertion is cheap and no merge
// holds the lock for long. Guarded by Table.mu.
type order struct {
	sorted, fresh []*entry
	dead          int
}

func (o *order) add(e *entry) {
	o.fresh = append(o.fresh, e)
	if len(o.fresh) >= freshMax {
		o.settle()
	}
}

func (o *order) settled() bool { return len(o.fresh) == 0 }

// settle merges fresh into sorted and leaves the dead behind.
func (o *order) settle() {
	if o.settled() && o.dead <= len(o.sorted)/2 {
		return
	}
	slices.SortFunc(o.fresh, func(a, b *entry) int { return strings.Compare(string(a.number), string(b.number)) })
	// In place from the back: sorted grows by what fresh adds.
	n := len(o.sorted)
	o.sorted = append(o.sorted, o.fresh...)
	i, j := n-1, len(o.fresh)-1
	for k := len(o.sorted) - 1; j >= 0; k-- {
		if i >= 0 && o.sorted[i].number > o.fresh[j].number {
			o.sorted[k] = o.sorted[i]
			i--
		} else {
			o.sorted[k] = o.fresh[j]
			j--
		}
	}
	clear(o.fresh)
	o.fresh = o.fresh[:0]
	if o.dead > 0 {
		o.sorted = slices.DeleteFunc(o.sorted, func(e *entry) bool { return e.dead })
		o.dead = 0
	}
}

// chunk returns up to n entries behind a number, the dead included; fresh must be settled.
func (o *order) chunk(after Number, n int) []*entry {
	i, found := slices.BinarySearchFunc(o.sorted, after, func(e *entry, n Number) int { return strings.Compare(string(e.number), string(n)) })
	for found && i < len(o.sorted) && o.sorted[i].number == after {
		i++
	}
	return o.sorted[i:min(i+n, len(o.sorted))]
}
