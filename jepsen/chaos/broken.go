package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/broken"
	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

// attempts is how many runs a fault may take to be found.
const attempts = 5

// findBroken builds servers with faults in them; the suite must find each one.
func (o *options) findBroken(ctx context.Context) (int, error) {
	faults, err := o.faults()
	if err != nil {
		return invalid, err
	}
	code := passed
	var table []string
	for _, f := range faults {
		line, err := o.hunt(ctx, f)
		if err != nil {
			return invalid, err
		}
		if line == "" {
			code, line = failed, fmt.Sprintf("NOT FOUND in %d runs", attempts)
		}
		table = append(table, fmt.Sprintf("  %-16s %s", f.Name, line))
	}
	fmt.Println("\nfaults that were built in:")
	for _, line := range table {
		fmt.Println(line)
	}
	return code, nil
}

// faults are those that were asked for.
func (o *options) faults() ([]broken.Fault, error) {
	names := strings.Split(o.broken, ",")
	switch o.broken {
	case "all":
		return slices.DeleteFunc(broken.All(), func(f broken.Fault) bool { return f.Scenario == "" }), nil
	case "quick":
		names = broken.Quick()
	}
	var out []broken.Fault
	for _, name := range names {
		f := broken.Find(name)
		if f == nil || f.Scenario == "" {
			return nil, fmt.Errorf("no fault of a scenario is called %q; -list shows them", name)
		}
		out = append(out, *f)
	}
	return out, nil
}

// hunt runs the fault's scenario until it is found, and says how.
func (o *options) hunt(ctx context.Context, f broken.Fault) (string, error) {
	binary, err := f.Build(o.out)
	if err != nil {
		return "", err
	}
	start := time.Now()
	for i := range attempts {
		r := run1{options: *o, scenario: *scenario.Find(f.Scenario), seed: o.seed + uint64(i)}
		r.binary, r.length, r.broken, r.settled = binary, f.For, f.Name, f.Settle
		v, err := r.do(ctx)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if at := slices.IndexFunc(v.Findings, func(x check.Finding) bool { return slices.Contains(f.Statements, string(x.Statement)) }); at >= 0 {
			took := time.Since(start).Round(time.Second)
			return fmt.Sprintf("found in run %d, %v: %s: %s", i+1, took, v.Findings[at].Statement, v.Findings[at].Text), nil
		}
		fmt.Println("    not found in this run:", err)
	}
	return "", nil
}
