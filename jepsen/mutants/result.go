package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/broken"
)

// verdict is what became of a fault.
type verdict int

const (
	// fails: a test failed, so the fault is caught.
	fails verdict = iota
	// hangs: a test reached its timeout. It counts as caught, but says less.
	hangs
	// survives: all tests passed.
	survives
	// unfit: it could not be tried.
	unfit
)

func (v verdict) exitCode() int { return [...]int{caught, caught, survived, invalid}[v] }

func (v verdict) String() string {
	return [...]string{"caught by", "TIMEOUT of", "SURVIVED", "NOT TRIED:"}[v]
}

// result of one fault.
type result struct {
	verdict verdict
	text    string // the test that caught it, or what went wrong
	took    time.Duration
}

func (r *result) line(f *broken.Fault) string {
	return fmt.Sprintf("%-13s %-22s %-5s %5.1f s  %s %s", f.Kind, f.Name, f.Layer(), r.took.Seconds(), r.verdict, r.text)
}

var (
	failed  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	running = regexp.MustCompile(`(?m)^=== (?:RUN|CONT|NAME) +(\S+)`)
	skipped = regexp.MustCompile(`(?m)^--- SKIP: (\S+)`)
)

// judge reads what a test's program said.
func judge(out string, err error) result {
	switch {
	case strings.Contains(out, "testing: warning: no tests to run"):
		return result{verdict: unfit, text: "no test has that name"}
	case err == nil && skipped.MatchString(out):
		return result{verdict: unfit, text: skipped.FindStringSubmatch(out)[1] + " was skipped"}
	case err == nil:
		return result{verdict: survives}
	case strings.Contains(out, "panic: test timed out after"):
		return result{verdict: hangs, text: lastRunning(out)}
	}
	if all := failed.FindAllStringSubmatch(out, -1); all != nil {
		return result{verdict: fails, text: deepest(all)}
	}
	if strings.Contains(out, "panic: ") || strings.Contains(out, "fatal error: ") {
		return result{verdict: fails, text: lastRunning(out) + ", a panic"}
	}
	return result{verdict: unfit, text: err.Error() + ": " + lastLines(out, 3)}
}

// lastRunning is the test that ran when the program ended.
func lastRunning(out string) string {
	all := running.FindAllStringSubmatch(out, -1)
	if all == nil {
		return "no test"
	}
	return all[len(all)-1][1]
}

// deepest is the first test that failed, or the first of its own tests: they
// follow it.
func deepest(all [][]string) string {
	name := all[0][1]
	for _, m := range all[1:] {
		if strings.HasPrefix(m[1], name+"/") {
			name = m[1]
		}
	}
	return name
}
