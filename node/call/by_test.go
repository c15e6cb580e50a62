package call

import (
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Calls are up by the node that has them, and by those that deliver them.
func TestBy_CountsOwnCallsAndCarriedOnes(t *testing.T) {
	w := newWorld(t, 1, 3, 64)
	w.settle()
	a, b := w.nodes[0].table, w.nodes[1].table
	want := func(when string, counts ...int) {
		t.Helper()
		w.settle()
		for _, at := range []*Table{a, b, w.nodes[2].table} {
			for i, n := range counts {
				if got := at.By(w.nodes[i].id); got != n {
					t.Errorf("%s: %s counts %d by %s, want %d", when, at.Self(), got, w.nodes[i].id, n)
				}
			}
		}
	}
	want("at first", 0, 0, 0)
	id, _ := a.Begin(Info{Caller: "1001", Type: Internal})
	a.Ringing(id, "1002", "")
	own := a.Carry(id, "n0", "1003")
	leg := b.Carry(id, "n0", "1002")
	want("ringing", 1, 1, 0)
	own.Dropped()
	a.Established(id, "1002")
	w.settle()
	leg.Over()
	want("over, as the carrier says", 0, 0, 0)
	a.End(id, 0, false)
	want("over", 0, 0, 0)
	if n := a.By(dn.Node("nobody")); n != 0 {
		t.Error(n)
	}
}
