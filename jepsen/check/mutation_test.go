package check

import (
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/history/historytest"
)

func TestAll_FindsNothingInCleanRuns(t *testing.T) {
	for seed := range uint64(20) {
		v := All(historytest.Clean(seed, 150*time.Second), history.Bounds{})
		if v.Result != Passed {
			t.Errorf("seed %d is %s: %q", seed, v.Result, v.Reasons)
			for _, f := range v.Findings {
				t.Log(f)
			}
		}
	}
}

func TestAll_LooksAtEverythingInACleanRun(t *testing.T) {
	v := All(historytest.Clean(1, 150*time.Second), history.Bounds{})
	for _, c := range v.Checked {
		if c.Looked == 0 && !slices.Contains([]ID{"S17", "S18"}, c.Statement) { // no such faults in it
			t.Errorf("%s was not tried", c.Statement)
		}
	}
	for _, what := range []What{Detection, Convergence, Restart} {
		if !slices.ContainsFunc(v.Measures, func(m Measure) bool { return m.What == what }) {
			t.Errorf("%s was not measured", what)
		}
	}
}
