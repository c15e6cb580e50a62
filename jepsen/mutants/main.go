// Command mutants breaks the server in small ways, one at a time, and wants
// the check that must find each to fail: a unit test, or a test with a real
// cluster. What only the chaos suite finds, jepsen/chaos -broken looks for.
//
//	go run ./jepsen/mutants                     all that unit tests find
//	go run ./jepsen/mutants -layer e2e          all that tests with clusters find; needs root
//	go run ./jepsen/mutants -most 3             the first three of each kind
//	go run ./jepsen/mutants NAME...             some of them
//	go run ./jepsen/mutants -whole NAME...      what else in the package finds them
//
// The exit code is 0 when each was caught, 1 when one survived, 2 when one
// could not be tried: it does not build, or its check fails without it too.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/broken"
)

// options are the flags.
type options struct {
	layer   broken.Layer
	workers int
	timeout time.Duration
	whole   bool
	most    int
}

// Exit codes.
const (
	caught   = 0
	survived = 1
	invalid  = 2
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	os.Exit(code)
}

func run() (int, error) {
	var o options
	layer := flag.String("layer", string(broken.Unit), "`layer` whose faults are tried: unit or e2e")
	flag.IntVar(&o.workers, "workers", 2*runtime.GOMAXPROCS(0), "how many unit tests are built and run at a time: those of a broken server wait in vain most of the time")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "bound of one unit test; those with clusters have four times as much")
	flag.BoolVar(&o.whole, "whole", false, "run the whole package, not only the test that must find the fault")
	flag.IntVar(&o.most, "most", 0, "the first `N` faults of each kind only; 0: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o.layer = broken.Layer(*layer)
	faults, err := chosen(o.layer, flag.Args())
	if err != nil {
		return invalid, err
	}
	faults = firstOfEachKind(faults, o.most)
	dir, err := os.MkdirTemp("", "sipcluster-mutants-")
	if err != nil {
		return invalid, err
	}
	defer os.RemoveAll(dir)
	root, err := broken.ModuleRoot()
	if err != nil {
		return invalid, err
	}
	l, err := newLab(o, root, dir)
	if err != nil {
		return invalid, err
	}
	return l.tryAll(ctx, faults), ctx.Err()
}

// chosen are the faults of the layer, or those that are named.
func chosen(layer broken.Layer, names []string) ([]broken.Fault, error) {
	all := broken.Of(layer)
	switch {
	case layer == broken.Chaos:
		return nil, fmt.Errorf("these are found by: go run ./jepsen/chaos -broken all")
	case len(all) == 0:
		return nil, fmt.Errorf("no fault has the layer %q: unit or e2e", layer)
	case len(names) == 0:
		return all, nil
	}
	var out []broken.Fault
	for _, name := range names {
		f := broken.Find(name)
		if f == nil || f.Layer() != layer {
			return nil, fmt.Errorf("no fault of the layer %s is called %q", layer, name)
		}
		out = append(out, *f)
	}
	return out, nil
}

// firstOfEachKind are n faults of each kind; all when n is 0.
func firstOfEachKind(faults []broken.Fault, n int) (out []broken.Fault) {
	of := map[broken.Kind]int{}
	for _, f := range faults {
		if of[f.Kind]++; n == 0 || of[f.Kind] <= n {
			out = append(out, f)
		}
	}
	return out
}

// tryAll tries the faults, prints the table and returns the exit code.
func (l *lab) tryAll(ctx context.Context, faults []broken.Fault) int {
	began := time.Now()
	results := make([]result, len(faults))
	var wg sync.WaitGroup
	places := make(chan struct{}, l.workers)
	for i := range faults {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			results[i] = l.try(ctx, &faults[i])
			fmt.Println(results[i].line(&faults[i]))
		})
	}
	wg.Wait()
	code, count := caught, map[verdict]int{}
	for _, r := range results {
		count[r.verdict]++
		code = max(code, r.verdict.exitCode())
	}
	if count[survives] > 0 { // a survivor counts more than what could not be tried
		code = survived
	}
	fmt.Printf("\n%d faults: %d caught (%d of them by a timeout), %d survived, %d could not be tried; %v\n", len(faults),
		count[fails]+count[hangs], count[hangs], count[survives], count[unfit], time.Since(began).Round(time.Second))
	return code
}
