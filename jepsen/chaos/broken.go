package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/broken"
	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
)

// attempts is how many runs a fault may take to be found.
const attempts = 5

// findBroken builds servers with faults in them; the suite must find each one.
func (o *options) findBroken(ctx context.Context) (int, error) {
	faults := broken.All()
	if o.broken != "all" {
		f := broken.Find(o.broken)
		if f == nil {
			return invalid, fmt.Errorf("no fault is called %q; -list shows them", o.broken)
		}
		faults = []broken.Fault{*f}
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

// hunt runs the fault's scenario until it is found, and says how.
func (o *options) hunt(ctx context.Context, f broken.Fault) (string, error) {
	binary, err := f.Build(o.out)
	if err != nil {
		return "", err
	}
	for i := range attempts {
		r := run1{options: *o, scenario: *scenario.Find(f.Scenario), seed: o.seed + uint64(i)}
		r.binary, r.length, r.broken = binary, f.For, f.Name
		v, err := r.do(ctx)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if at := slices.IndexFunc(v.Findings, func(x check.Finding) bool { return slices.Contains(f.Statements, string(x.Statement)) }); at >= 0 {
			return fmt.Sprintf("found in run %d: %s: %s", i+1, v.Findings[at].Statement, v.Findings[at].Text), nil
		}
		fmt.Println("    not found in this run:", err)
	}
	return "", nil
}
