package main

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

func TestPlan_ExploreRepeatsByItsSeed(t *testing.T) {
	choices := func() (runs []scenario.Run) {
		o := options{scenario: "explore", seed: 9, length: time.Minute, total: time.Hour}
		next, err := o.plan()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			run, more := next()
			if !more || run.Seed == 0 {
				t.Fatalf("an hour has no room for five runs, or one has no seed: %v", run)
			}
			runs = append(runs, run)
		}
		return runs
	}
	if a, b := choices(), choices(); !slices.Equal(a, b) {
		t.Errorf("%v, then %v", a, b)
	}
}

func TestPlan_UnknownScenarioIsRefused(t *testing.T) {
	if _, err := (&options{scenario: "cuts,rain"}).plan(); err == nil {
		t.Error("a scenario that nobody knows was accepted")
	}
}

func TestWithout_SkipsOnlyWhereThatWasAskedFor(t *testing.T) {
	if code, err := (&options{}).without("root"); code != invalid || err == nil {
		t.Errorf("%d, %v; want %d and what is missing", code, err, invalid)
	}
	if code, err := (&options{skip: true}).without("root"); code != passed || err != nil {
		t.Errorf("with -skip: %d, %v", code, err)
	}
}

// TestPlan_SomeRunsAreTheSameEachTime: those of CI with a seed of their own, and those
// that found bugs; the others follow the runner's.
func TestPlan_SomeRunsAreTheSameEachTime(t *testing.T) {
	for name, want := range map[string]int{"short": 2, "regressions": 3} {
		fixed := map[scenario.Run]int{}
		for seed := range uint64(6) {
			next, err := (&options{scenario: name, seed: 1000 + seed}).plan()
			if err != nil {
				t.Fatal(err)
			}
			for run, more := next(); more; run, more = next() {
				if run.Seed != 0 {
					fixed[run]++
				}
			}
		}
		maps.DeleteFunc(fixed, func(_ scenario.Run, times int) bool { return times < 6 })
		if len(fixed) != want {
			t.Errorf("%s: the same each time are %v, want %d", name, fixed, want)
		}
	}
}

func TestExitCode_AFindingCountsMost(t *testing.T) {
	for _, tc := range []struct {
		result check.Result
		err    error
		want   int
	}{
		{check.Passed, nil, passed},
		{check.Failed, nil, failed},
		{check.Invalid, nil, invalid},
		{check.Passed, errors.New("no room"), invalid},
		{check.Invalid, nemesis.ErrNotHealed, failed},
		{check.Passed, errCrash, failed},
	} {
		if got := exitCode(check.Verdict{Result: tc.result}, tc.err); got != tc.want {
			t.Errorf("%s, %v: %d, want %d", tc.result, tc.err, got, tc.want)
		}
	}
	if worse(failed, invalid) != failed || worse(passed, invalid) != invalid {
		t.Error("a finding of an earlier run is forgotten")
	}
}
