package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// regDNs is how many phones the loads of reg have.
const regDNs = 30_000

// registrations measures refreshes with digest, 401 and 200, at three
// replicating nodes: the phones spread over all of them, and all at one.
func (b *bench) registrations(ctx context.Context) (err error) {
	err = b.spread(ctx)
	return errors.Join(err, b.owner(ctx))
}

func (b *bench) spread(ctx context.Context) (err error) {
	l, err := b.lab(ctx, 3, []int{regDNs / 3, regDNs / 3, regDNs / 3}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.register(ctx); err != nil {
		return err
	}
	_, all, o, err := b.measured(ctx, l, b.rate)
	if err != nil {
		return err
	}
	b.report.add("reg", fmt.Sprintf("CPU per registration at %d/s, 3 nodes together", b.rate), perOne(all, o), "µs", o.note())
	_, all, o, err = b.measured(ctx, l, 0)
	if err != nil {
		return err
	}
	b.report.add("reg", "registrations at full speed, 3 nodes", float64(o.accepted)/o.took.Seconds(), "/s", "the phones run on the same cores; "+o.note())
	b.report.add("reg", "CPU per registration at full speed, 3 nodes together", perOne(all, o), "µs", "")
	return nil
}

func (b *bench) owner(ctx context.Context) (err error) {
	l, err := b.lab(ctx, 3, []int{regDNs, 0, 0}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.register(ctx); err != nil {
		return err
	}
	each, _, o, err := b.measured(ctx, l, b.rate)
	if err != nil {
		return err
	}
	b.report.add("reg", fmt.Sprintf("CPU per registration at %d/s at one node, the owner alone", b.rate), perOne(each[0], o), "µs", o.note())
	b.report.add("reg", "the same, each of the two other nodes", perOne(each[1]+each[2], o)/2, "µs", "")
	return nil
}

// measured runs a load of b.seconds and returns the CPU time that it took of
// each node and of all.
func (b *bench) measured(ctx context.Context, l *lab, rate int) (each []time.Duration, all time.Duration, o outcome, err error) {
	if err := pause(ctx, time.Second); err != nil {
		return nil, 0, o, err
	}
	total := rate * b.seconds
	if rate == 0 {
		total = 8000 * b.seconds
	}
	phones := 0
	for _, f := range l.fleets {
		phones += len(f.phones)
	}
	share := func(f *fleet) int { return total * len(f.phones) / phones }
	if rate > 0 && len(l.fleets[0].phones) == phones {
		rate *= len(l.fleets) // load gives each fleet an equal part
	}
	go b.profiles(ctx, l.nodes[0], fmt.Sprintf("reg-%d-of-%d", len(l.fleets[0].phones), phones), time.Duration(b.seconds-1)*time.Second)
	before, err := cpus(l.nodes)
	if err != nil {
		return nil, 0, o, err
	}
	if o, err = l.load(ctx, rate, share); err != nil {
		return nil, 0, o, err
	}
	after, err := cpus(l.nodes)
	if err != nil {
		return nil, 0, o, err
	}
	each, all = spent(before, after)
	return each, all, o, nil
}

func perOne(d time.Duration, o outcome) float64 {
	return float64(d) / float64(time.Microsecond) / float64(max(o.accepted, 1))
}

// note says what was not perfect.
func (o outcome) note() string {
	s := fmt.Sprintf("%d accepted in %.1f s", o.accepted, o.took.Seconds())
	if o.failed > 0 {
		s += fmt.Sprintf(", %d phones failed (%s)", o.failed, o.why)
	}
	if o.resent > 0 {
		s += fmt.Sprintf(", %d sent again", o.resent)
	}
	return s
}
