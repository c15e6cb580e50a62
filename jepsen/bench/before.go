package main

import (
	"context"
	"errors"
	"fmt"
)

// compare measures what calls, registrations and events cost beside another program, the
// one of before, in turns. The other one has no TLS between its nodes: it may be older
// than that.
func (b *bench) compare(ctx context.Context) error {
	if b.before == "" {
		b.report.skipped("before", "CPU beside that of another program", "that program: -before FILE")
		return nil
	}
	other := *b
	other.binary, other.secured = b.before, false
	for _, kind := range []struct {
		what    string
		measure func(*bench, context.Context) (float64, error)
	}{
		{"call", (*bench).perCall}, {"registration", (*bench).perRegistration}, {"event of a DN and client", (*bench).perDNEvent},
		{"event of a call and client", (*bench).perCallEvent}, {"change of an agent", (*bench).perAgentChange},
	} {
		var sum [2]float64
		var err error
		for _, turn := range []int{0, 1, 1, 0} {
			v, e := kind.measure([]*bench{&other, b}[turn], ctx)
			if sum[turn] += v; e != nil {
				err = e
				break
			}
		}
		if err != nil { // one that is older than the protocol of clients does the first two only
			b.report.skipped("before", "CPU per "+kind.what, fmt.Sprintf("both programs to do it: %v", err))
			continue
		}
		b.report.add("before", "CPU per "+kind.what+", the other program", sum[0]/2, "µs", "")
		b.report.add("before", "CPU per "+kind.what, sum[1]/2, "µs", "")
		b.report.below("before", "the same, ratio", sum[1]/max(sum[0], 1), "", 1.05, 1)
	}
	return nil
}

// perCall is what a call to a phone of another node costs all nodes together.
func (b *bench) perCall(ctx context.Context) (cost float64, err error) {
	x, err := b.exchange(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	_, all, r, err := b.costs(ctx, x)
	return float64(all.Microseconds()) / float64(max(r.done, 1)), err
}

// perRegistration is what a refresh costs them.
func (b *bench) perRegistration(ctx context.Context) (cost float64, err error) {
	l, err := b.lab(ctx, 3, []int{regDNs / 3, regDNs / 3, regDNs / 3}, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.register(ctx); err != nil {
		return 0, err
	}
	_, all, o, err := b.measured(ctx, l, b.rate)
	return perOne(all, o), err
}
