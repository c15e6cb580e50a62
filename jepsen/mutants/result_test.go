package main

import (
	"errors"
	"testing"
)

func TestJudge(t *testing.T) {
	exit := errors.New("exit status 1")
	for name, c := range map[string]struct {
		out  string
		err  error
		want result
	}{
		"all pass":        {"=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\n", nil, result{verdict: survives}},
		"a test fails":    {"=== RUN   TestA\n=== RUN   TestA/x\n--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/x (0.00s)\nFAIL\n", exit, result{verdict: fails, text: "TestA/x"}},
		"a panic":         {"=== RUN   TestA\npanic: index out of range\n\ngoroutine 7 [running]:\n", exit, result{verdict: fails, text: "TestA, a panic"}},
		"a hang":          {"=== RUN   TestA\npanic: test timed out after 1m0s\n", exit, result{verdict: hangs, text: "TestA"}},
		"nothing ran":     {"testing: warning: no tests to run\nPASS\n", nil, result{verdict: unfit, text: "no test has that name"}},
		"it was skipped":  {"=== RUN   TestA\n--- SKIP: TestA (0.00s)\nPASS\n", nil, result{verdict: unfit, text: "TestA was skipped"}},
		"no test's fault": {"cannot bind\n", exit, result{verdict: unfit, text: "exit status 1: cannot bind"}},
	} {
		if got := judge(c.out, c.err); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
