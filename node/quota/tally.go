package quota

import (
	"cmp"
	"slices"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// tally counts what became of the calls of a trunk in a direction.
type tally struct {
	// ended by the class of the final response, as in 2 for 2xx; 0 for none.
	ended   [7]uint64
	limited uint64
	// passed are the addresses of the trunk that have not taken a call.
	passed uint64
}

// Total is what became of a trunk's calls in a direction since this node began.
type Total struct {
	Trunk     dn.Number
	Direction Direction
	// Ended are the calls by the class of the final response, as in 2 for 2xx. A call that
	// went on to the next trunk counts for both.
	Ended [7]uint64
	// Limited are those that a limit of the trunk, or its Retry-After, has held back.
	Limited uint64
	// Passed are the addresses that have not taken a call, which went on.
	Passed uint64
}

// Ended counts a call by its final response.
func (t *Table) Ended(n dn.Number, d Direction, code int) {
	t.count(n, d, func(y *tally) { y.ended[min(max(code/100, 0), len(y.ended)-1)]++ })
}

// Limited counts a call that was held back.
func (t *Table) Limited(n dn.Number, d Direction) { t.count(n, d, func(y *tally) { y.limited++ }) }

// PassedOver counts an address that has not taken a call.
func (t *Table) PassedOver(n dn.Number) { t.count(n, Out, func(y *tally) { y.passed++ }) }

func (t *Table) count(n dn.Number, d Direction, what func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	y := t.tallies[key{n, d}]
	if y == nil {
		y = &tally{}
		t.tallies[key{n, d}] = y
	}
	what(y)
}

// Totals are those of all trunks that is says, in order; what others had is forgotten.
func (t *Table) Totals(is func(dn.Number) bool) (all []Total) {
	t.mu.Lock()
	for k, y := range walk.Map(&t.mu, t.tallies) {
		if !is(k.Number) {
			delete(t.tallies, k)
			continue
		}
		all = append(all, Total{k.Number, k.Direction, y.ended, y.limited, y.passed})
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b Total) int {
		return cmp.Or(cmp.Compare(a.Trunk, b.Trunk), cmp.Compare(a.Direction, b.Direction))
	})
	return slices.CompactFunc(all, func(a, b Total) bool { return a.Trunk == b.Trunk && a.Direction == b.Direction })
}

// String is the direction as metrics name it.
func (d Direction) String() string {
	if d == In {
		return "in"
	}
	return "out"
}
