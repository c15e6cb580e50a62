package dn

import "testing"

// TestTable_ATrunkIsEachNodesOwnMatter: whether it is reached is counted and told here, and
// no peer hears of it; nobody owns it.
func TestTable_ATrunkIsEachNodesOwnMatter(t *testing.T) {
	table := New(Config{Self: "a", Incarnation: 1, Configured: func(Number) (Class, []string) { return Shut, nil }})
	state := func(want State, unreached int) {
		t.Helper()
		st, known := table.Get("carrier")
		if c := table.Counts(); !known || st.State != want || st.Owner != "" || c.Unreached != unreached || c.InSrv != 0 || c.Owned != 0 {
			t.Errorf("%+v, %+v", st, c)
		}
		if own, _ := table.Own("carrier"); !own.Gone {
			t.Errorf("peers hear of %+v", own)
		}
	}
	table.Reaches("carrier", false)
	state(OOS, 1)
	table.Reaches("carrier", false)
	state(OOS, 1)
	table.Reaches("carrier", true)
	state(InSrv, 0)
	table.Reaches("carrier", false)
	table.Remove("carrier", Deleted)
	if c := table.Counts(); c.Unreached != 0 || c.Known != 0 {
		t.Errorf("when it is gone: %+v", c)
	}
}
