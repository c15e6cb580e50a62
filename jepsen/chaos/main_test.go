package main

import (
	"errors"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

func TestPlan_ExploreRepeatsByItsSeed(t *testing.T) {
	choices := func() (names []string, seeds []uint64) {
		o := options{scenario: "explore", seed: 9, length: time.Minute, total: time.Hour}
		next, err := o.plan()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			name, seed, more := next()
			if !more {
				t.Fatal("an hour has no room for five runs")
			}
			names, seeds = append(names, name), append(seeds, seed)
		}
		return names, seeds
	}
	a, as := choices()
	b, bs := choices()
	for i := range a {
		if a[i] != b[i] || as[i] != bs[i] {
			t.Errorf("run %d: %s %d, then %s %d", i, a[i], as[i], b[i], bs[i])
		}
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

func TestPlan_RegressionsHaveScenarios(t *testing.T) {
	next, err := (&options{scenario: "regressions", seed: 3}).plan()
	if err != nil {
		t.Fatal(err)
	}
	for name, _, more := next(); more; name, _, more = next() {
		if s := scenario.Find(name); s == nil || scenario.Regressions()[name] == 0 {
			t.Errorf("no scenario %q", name)
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
