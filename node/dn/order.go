package dn

import "github.com/google/btree"

// order keeps the entries by number. Whatever the number of DNs, a new one takes some
// twenty steps, and a walk as many for each chunk. Guarded by Table.mu.
type order struct{ tree *btree.BTreeG[*entry] }

// orderDegree: nodes of up to 127 entries, of which a new one moves half at most.
const orderDegree = 64

func newOrder() order {
	return order{btree.NewG(orderDegree, func(a, b *entry) bool { return a.number < b.number })}
}

func (o order) add(e *entry) { o.tree.ReplaceOrInsert(e) }
func (o order) drop(e *entry) {
	if o.tree.Len() > 0 {
		o.tree.Delete(e)
	}
}

// behind visits up to n entries behind a number, which must not change the order. It
// returns the last one's number, and whether there may be more.
func (o order) behind(after Number, n int, visit func(*entry)) (last Number, more bool) {
	return o.ascend(after, n, visit, func(Number) bool { return false })
}

// within is behind for the entries up to a number.
func (o order) within(after, upTo Number, n int, visit func(*entry)) (last Number, more bool) {
	return o.ascend(after, n, visit, func(at Number) bool { return at > upTo })
}

func (o order) ascend(after Number, n int, visit func(*entry), past func(Number) bool) (last Number, more bool) {
	last = after
	o.tree.AscendGreaterOrEqual(&entry{number: after}, func(e *entry) bool {
		switch {
		case e.number == after:
			return true
		case past(e.number):
			return false
		}
		visit(e)
		last = e.number
		n--
		return n > 0
	})
	return last, n == 0
}
