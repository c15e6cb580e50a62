// Command chaos breaks a cluster of real `sipcluster server` processes while
// clients use it, records all that happens and judges it.
//
//	go run ./jepsen/chaos -list                                what there is
//	go run ./jepsen/chaos -scenario storm -seed 7 -for 60s     one run
//	go run ./jepsen/chaos -scenario short                      the runs of CI
//	go run ./jepsen/chaos -scenario explore -total 10m         random ones
//	go run ./jepsen/chaos -judge DIR                           judge a stored run again
//	go run ./jepsen/chaos -scenario regressions                those that found bugs
//	go run ./jepsen/chaos -measured DIR                        what was measured in all runs there
//	go run ./jepsen/chaos -broken all                          broken servers must be found
//
// The exit code is 0 when everything was right, 1 when something was wrong, 2
// when a run saw too little to say so or could not be made. Needs root.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

// options are the flags.
type options struct {
	scenario, out, binary, judge, broken string
	measured                             string
	seed                                 uint64
	nodes                                int
	length, total                        time.Duration
	race, list, skip                     bool
}

// Exit codes.
const (
	passed  = 0
	failed  = 1
	invalid = 2
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	os.Exit(code)
}

func parse() *options {
	o := &options{}
	flag.StringVar(&o.scenario, "scenario", "mix", "`name`s of scenarios, or short, explore or regressions")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of all choices; 0: a new one")
	flag.IntVar(&o.nodes, "nodes", 0, "`nodes` of the cluster; 0: as the scenario says")
	flag.DurationVar(&o.length, "for", 60*time.Second, "how long each run breaks the cluster")
	flag.DurationVar(&o.total, "total", 10*time.Minute, "how long explore goes on")
	flag.StringVar(&o.out, "out", filepath.Join(os.TempDir(), "sipcluster-chaos"), "`directory` for histories, reports and logs")
	flag.StringVar(&o.binary, "binary", "", "the sipcluster `program`; empty: build it")
	flag.BoolVar(&o.race, "race", false, "build it with the race detector")
	flag.StringVar(&o.judge, "judge", "", "judge the run that is stored in this `directory`")
	flag.StringVar(&o.measured, "measured", "", "print what was measured in all runs in these `directories`")
	flag.StringVar(&o.broken, "broken", "", "`name`s of faults to build in, or all, or quick: their scenarios must find them")
	flag.BoolVar(&o.skip, "skip", false, "where no cluster can be broken, end with a line NOT RUN: ... and exit code 0")
	flag.BoolVar(&o.list, "list", false, "list scenarios, nemeses and faults to build in")
	flag.Parse()
	return o
}

func run() (int, error) {
	o := parse()
	switch {
	case o.list:
		printList()
		return passed, nil
	case o.judge != "":
		return judgeAgain(o.judge)
	case o.measured != "":
		return printMeasured(strings.Split(o.measured, ","))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if missing := cluster.Missing(); missing != "" {
		return o.without(missing)
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return invalid, err
	}
	if o.broken != "" {
		return o.findBroken(ctx)
	}
	return o.runAll(ctx)
}

// without is the end on a machine where no cluster can be broken.
func (o *options) without(missing string) (int, error) {
	if !o.skip {
		return invalid, fmt.Errorf("needs %s", missing)
	}
	fmt.Printf("\n*** no cluster was broken, nothing was proved ***\n%s\n", o.notRun(missing))
	return passed, nil
}

// notRun is the line that CI repeats at its end.
func (o *options) notRun(missing string) string {
	what := "the scenarios " + o.scenario
	if o.broken != "" {
		what = "the broken servers " + o.broken
	}
	return fmt.Sprintf("NOT RUN: %s: this machine lacks %s", what, strings.ReplaceAll(missing, "\n", " "))
}

// tries is how often a run that said nothing, because the machine stood still or
// too little was seen, is made again with the next seed.
const tries = 3

// runAll makes the runs that were asked for, one after the other. A finding
// does not end the rest.
func (o *options) runAll(ctx context.Context) (int, error) {
	if o.binary == "" {
		var flags []string
		if o.race {
			flags = append(flags, "-race")
		}
		var err error
		if o.binary, err = cluster.Build(o.out, flags...); err != nil {
			return invalid, err
		}
	}
	next, err := o.plan()
	if err != nil {
		return invalid, err
	}
	code, count := passed, 0
	for this, more := next(); more && ctx.Err() == nil; this, more = next() {
		result := invalid
		for try := uint64(0); try < tries && result == invalid; try++ {
			r := run1{options: *o, scenario: *scenario.Find(this.Scenario), seed: cmp.Or(this.Seed, o.seed) + try}
			r.length = cmp.Or(this.For, o.length)
			verdict, err := r.do(ctx)
			if ctx.Err() != nil {
				return invalid, errors.New("interrupted")
			}
			count++
			result = exitCode(verdict, err)
		}
		code = worse(code, result)
	}
	fmt.Printf("\n%d runs, seed %d: %s\n", count, o.seed, []string{"all passed", "FAILED", "INVALID"}[code])
	return code, nil
}

// plan tells which run comes next.
func (o *options) plan() (func() (scenario.Run, bool), error) {
	var runs []scenario.Run
	switch o.scenario {
	case "short":
		runs = scenario.Short(o.seed)
	case "explore":
		return o.explore(), nil
	case "regressions":
		runs = scenario.Regressions()
	default:
		for name := range strings.SplitSeq(o.scenario, ",") {
			if scenario.Find(name) == nil {
				return nil, fmt.Errorf("no scenario is called %q; -list shows them", name)
			}
			runs = append(runs, scenario.Run{Scenario: name})
		}
	}
	return func() (run scenario.Run, more bool) {
		if len(runs) > 0 {
			run, runs, more = runs[0], runs[1:], true
		}
		return run, more
	}, nil
}

// explore chooses scenarios until the time is over; each run has a seed of its
// own, by which it can be repeated alone.
func (o *options) explore() func() (scenario.Run, bool) {
	r := rand.New(rand.NewPCG(o.seed, 0))
	end := time.Now().Add(o.total)
	all := scenario.Explore()
	return func() (scenario.Run, bool) {
		const around = 40 * time.Second // start and end of a run
		return scenario.Run{Scenario: all[r.IntN(len(all))], Seed: r.Uint64N(1_000_000) + 1}, time.Now().Add(o.length + around).Before(end)
	}
}

// worse is the exit code of two runs: a finding counts most.
func worse(a, b int) int {
	if a == failed || b == failed {
		return failed
	}
	return max(a, b)
}

func exitCode(v check.Verdict, err error) int {
	switch {
	case errors.Is(err, nemesis.ErrNotHealed), errors.Is(err, errCrash), v.Result == check.Failed:
		return failed
	case err != nil, v.Result != check.Passed:
		return invalid
	}
	return passed
}
