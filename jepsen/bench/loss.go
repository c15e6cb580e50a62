package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// smallSite is how many phones a node has where losses are timed.
const smallSite = 30

// steady is how long a cluster is left alone before a trial.
const steady = 1500 * time.Millisecond

// small is a lab with a few phones and an observer at each node, all well.
func (b *bench) small(ctx context.Context, nodes int) (*lab, error) {
	dns := make([]int, nodes)
	for i := range dns {
		dns[i] = smallSite
	}
	l, err := b.lab(ctx, nodes, dns, true)
	if err != nil {
		return nil, err
	}
	err = l.register(ctx)
	if err == nil {
		err = l.watch(ctx)
	}
	if err == nil {
		err = l.settle(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// kills measures kill -9 to the last out-of-service event at the other nodes.
func (b *bench) kills(ctx context.Context) (err error) {
	l, err := b.small(ctx, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	victim := len(l.nodes) - 1
	l.observers[victim].close()
	others := l.observers[:victim]
	l.observers = others
	var gone, back []float64
	for range b.trials {
		if err := pause(ctx, steady); err != nil {
			return err
		}
		start := time.Now()
		l.nodes[victim].Kill9()
		lost, err := latest(ctx, others, 10*time.Second, false, l.dns[victim])
		if err != nil {
			return fmt.Errorf("after kill -9: %w", err)
		}
		gone = append(gone, ms(lost.Sub(start)))
		start = time.Now()
		if err := l.nodes[victim].Start(ctx); err != nil {
			return err
		}
		returned, err := latest(ctx, others, 20*time.Second, true, l.dns[victim])
		if err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
		back = append(back, ms(returned.Sub(start)))
		if err := l.settle(ctx); err != nil {
			return err
		}
	}
	b.report.below("kill", "kill -9 to OOS at both other nodes, p50", quantile(gone, 0.5), "ms", 100, 20)
	b.report.below("kill", "the same, worst", quantile(gone, 1), "ms", 100, 20)
	b.report.below("kill", "restart to InSrv again at both, worst", quantile(back, 1), "ms", 5000, 2000)
	return nil
}

// latest awaits the state of the DNs at all the observers.
func latest(ctx context.Context, observers []*observer, within time.Duration, inSrv bool, dns []string) (last time.Time, err error) {
	for _, o := range observers {
		at, err := o.state(ctx, within, inSrv, dns)
		if err != nil {
			return last, err
		}
		if at.After(last) {
			last = at
		}
	}
	return last, nil
}

// cutting is a kind of cut: who can't hear whom.
type cutting struct {
	nodes       int
	what        string
	a, b        []int // indices of nodes
	least, goal float64
}

var cuttings = []cutting{
	{2, "2 nodes", []int{0}, []int{1}, 1000, 800},
	{3, "one of 3 nodes", []int{0}, []int{1, 2}, 1000, 800},
	{5, "2 of 5 nodes", []int{0, 1}, []int{2, 3, 4}, 1000, 800},
	{3, "between two of 3 nodes only", []int{0}, []int{1}, 1500, 1000},
}

// cuts measures silent cuts: from the cut to the last out-of-service event on
// both sides.
func (b *bench) cuts(ctx context.Context) error {
	var errs []error
	for _, c := range cuttings {
		if !b.namespaces {
			b.report.skipped("cut", c.what, b.missing)
			continue
		}
		if err := b.cut(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.what, err))
		}
	}
	return errors.Join(errs...)
}

func (b *bench) cut(ctx context.Context, c cutting) (err error) {
	l, err := b.small(ctx, c.nodes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	var lost, healed []float64
	for range b.trials {
		took, back, err := l.cutAndHeal(ctx, c)
		if err != nil {
			return err
		}
		lost, healed = append(lost, took), append(healed, back)
	}
	b.report.add("cut", c.what+": cut to OOS on both sides, p50", quantile(lost, 0.5), "ms", "")
	b.report.below("cut", c.what+": the same, worst", quantile(lost, 1), "ms", c.least, c.goal)
	b.report.add("cut", c.what+": heal to InSrv everywhere, worst", quantile(healed, 1), "ms", "")
	if n := l.unexpected(c, len(lost)); n != 0 {
		b.report.below("cut", c.what+": out-of-service events beyond those of the cuts", float64(n), "events", 1, 0)
	}
	return nil
}

func (l *lab) cutAndHeal(ctx context.Context, c cutting) (lost, healed float64, err error) {
	if err := pause(ctx, steady); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := l.Split(ctx, pick(l.nodes, c.a), pick(l.nodes, c.b)); err != nil {
		return 0, 0, err
	}
	last, err := l.acrossOOS(ctx, c)
	if err != nil {
		return 0, 0, errors.Join(fmt.Errorf("after the cut: %w", err), l.Heal(ctx))
	}
	lost = ms(last.Sub(start))
	start = time.Now()
	if err := l.Heal(ctx); err != nil {
		return 0, 0, err
	}
	for i := range l.nodes {
		at, err := latest(ctx, l.observers, 20*time.Second, true, l.dns[i])
		if err != nil {
			return 0, 0, fmt.Errorf("after the heal: %w", err)
		}
		healed = max(healed, ms(at.Sub(start)))
	}
	return lost, healed, l.settle(ctx)
}

// acrossOOS awaits that each side holds the other one's DNs out of service.
func (l *lab) acrossOOS(ctx context.Context, c cutting) (last time.Time, err error) {
	for _, pair := range []struct{ at, of []int }{{c.a, c.b}, {c.b, c.a}} {
		for _, of := range pair.of {
			at, err := latest(ctx, pick(l.observers, pair.at), 10*time.Second, false, l.dns[of])
			if err != nil {
				return last, err
			}
			if at.After(last) {
				last = at
			}
		}
	}
	return last, nil
}

// unexpected counts the events that were not due to the cuts.
func (l *lab) unexpected(c cutting, trials int) int {
	sum := 0
	for _, o := range l.observers {
		all, _ := o.outages()
		sum += all
	}
	return sum - 2*len(c.a)*len(c.b)*smallSite*trials
}

func pick[T any](all []T, indices []int) []T {
	out := make([]T, len(indices))
	for i, x := range indices {
		out[i] = all[x]
	}
	return out
}
