package quota

import (
	"reflect"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

func TestTotals(t *testing.T) {
	q := New()
	for _, code := range []int{200, 200, 486, 503, 603, 0, 999} {
		q.Ended("a", Out, code)
	}
	q.PassedOver("a")
	q.Ended("a", In, 200)
	q.Limited("a", In)
	q.Ended("b", In, 404)
	q.Limited("c", Out)
	want := []Total{
		{Trunk: "a", Direction: In, Ended: [7]uint64{2: 1}, Limited: 1},
		{Trunk: "a", Direction: Out, Ended: [7]uint64{0: 1, 2: 2, 4: 1, 5: 1, 6: 2}, Passed: 1},
		{Trunk: "b", Direction: In, Ended: [7]uint64{4: 1}},
	}
	for range 2 {
		if got := q.Totals(func(n dn.Number) bool { return n != "c" }); !reflect.DeepEqual(got, want) {
			t.Errorf("totals %+v, want %+v", got, want)
		}
	}
	if got := q.Totals(func(dn.Number) bool { return false }); got != nil {
		t.Errorf("totals %+v of no trunk", got)
	}
	if got := q.Totals(func(dn.Number) bool { return true }); got != nil {
		t.Errorf("totals %+v of trunks that were gone", got)
	}
	if _, ok := q.Take("a", Out, &configpb.TrunkLimit{Calls: 1}, time.Now()); !ok {
		t.Error("what is told has taken calls away")
	}
}
