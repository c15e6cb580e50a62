package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/line"
)

// distances are the round trips between the sites, with their jitter and the loss each way.
var distances = []struct {
	trip, jitter time.Duration
	loss         float64
}{
	{0, 0, 0}, {150 * time.Millisecond, 10 * time.Millisecond, 0},
	{250 * time.Millisecond, 30 * time.Millisecond, 0}, {250 * time.Millisecond, 30 * time.Millisecond, 2},
	{400 * time.Millisecond, 50 * time.Millisecond, 2},
}

// farCuttings are those of sites with a node each.
var farCuttings = []cutting{
	{nodes: 3, what: "one of 3 nodes", a: []int{0}, b: []int{1, 2}},
	{nodes: 3, what: "two of 3 nodes from each other", a: []int{0}, b: []int{1}},
}

// far measures cuts, heals, false losses and writes where the sites are far from each other.
func (b *bench) far(ctx context.Context) error {
	if !b.namespaces {
		b.report.skipped("far", "cuts over a long line", b.missing)
		return nil
	}
	var errs []error
	for _, d := range distances {
		what := fmt.Sprintf("%v +- %v, %v %% loss: ", d.trip, d.jitter, d.loss)
		path := line.Path{Delay: d.trip / 2, Jitter: d.jitter / 2, Loss: d.loss}
		if err := b.farFrom(ctx, what, path); err != nil {
			errs = append(errs, fmt.Errorf("%s%w", what, err))
		}
	}
	return errors.Join(errs...)
}

func (b *bench) farFrom(ctx context.Context, what string, path line.Path) (err error) {
	l, err := b.labOf(ctx, cluster.Config{Nodes: 3, Lines: true, Secured: true}, []int{smallSite, smallSite, smallSite})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.far = true
	if err = l.SetPaths(path); err == nil {
		err = pause(ctx, 5*time.Second) // the way from here to there is no part of it
	}
	if err == nil {
		err = l.register(ctx)
	}
	if err == nil {
		err = l.watch(ctx)
	}
	if err == nil {
		err = l.settle(ctx)
	}
	if err == nil {
		err = b.quietFar(ctx, l, what)
	}
	if err == nil {
		err = b.writes(ctx, l, what)
	}
	for _, c := range farCuttings {
		if err == nil {
			err = b.cutFar(ctx, l, c, what, 2*path.Delay)
		}
	}
	return err
}

// quietFar counts the DNs that go out of service while nothing happens.
func (b *bench) quietFar(ctx context.Context, l *lab, what string) error {
	span := time.Duration(b.minutes * float64(45*time.Second))
	before := l.lostSoFar()
	if err := pause(ctx, span); err != nil {
		return err
	}
	b.report.below("far", fmt.Sprintf("%sfalse losses in %v", what, span), float64(l.lostSoFar()-before)/smallSite, "losses", 1, 0)
	return nil
}

func (l *lab) lostSoFar() (sum int) {
	for _, o := range l.observers {
		_, lost := o.outages()
		sum += lost
	}
	return sum
}

// writes measures one that is forwarded to the leader, which is not at node 3.
func (b *bench) writes(ctx context.Context, l *lab, what string) error {
	var took []float64
	for i := range b.trials {
		at := l.nodes[1+i%2]
		if s, err := at.Status(ctx); err != nil || s.GetRaft().GetState() == "leader" {
			continue
		}
		start := time.Now()
		if err := configure(ctx, at, l.realm, numbers(firstDN+1_000_000+i, 1)); err != nil {
			return err
		}
		took = append(took, ms(time.Since(start)))
	}
	b.report.add("far", what+"a write through a follower, p50", quantile(took, 0.5), "ms", "")
	b.report.add("far", what+"the same, worst", quantile(took, 1), "ms", "")
	return nil
}

func (b *bench) cutFar(ctx context.Context, l *lab, c cutting, what string, trip time.Duration) error {
	bounds := history.Far(trip)
	c.least, c.goal = ms(bounds.LossCut), ms(750*time.Millisecond+3*trip)
	if len(c.b) == 1 {
		c.least, c.goal = ms(bounds.LossPair), ms(time.Second+4*trip)
	}
	var lost, healed []float64
	for range max(2, b.trials/4) {
		took, back, err := l.cutAndHeal(ctx, c)
		if err != nil {
			return err
		}
		lost, healed = append(lost, took), append(healed, back)
	}
	b.report.add("far", what+c.what+", cut to OOS on both sides, p50", quantile(lost, 0.5), "ms", "")
	b.report.below("far", what+"the same, worst", quantile(lost, 1), "ms", c.least, c.goal)
	b.report.below("far", what+"heal to InSrv everywhere, worst", quantile(healed, 1), "ms", ms(bounds.Converge), ms(2*time.Second+4*trip))
	return nil
}
