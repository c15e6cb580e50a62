package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// quiet counts what is lost when nothing is: under CPU load, and under packet loss.
func (b *bench) quiet(ctx context.Context) error {
	err := b.calm(ctx, fmt.Sprintf("false losses in %g min at 80 %% CPU", b.minutes), func(ctx context.Context, _ *lab) error {
		return burn(ctx, 0.8)
	})
	if !b.namespaces {
		b.report.skipped("quiet", "false losses at 5 % packet loss", b.missing)
		return err
	}
	return errors.Join(err, b.calm(ctx, fmt.Sprintf("false losses in %g min at 5 %% packet loss", b.minutes), func(ctx context.Context, l *lab) error {
		if err := l.Loss(ctx, 5); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}))
}

// calm runs trouble beside registrations and counts DNs that go out of service.
func (b *bench) calm(ctx context.Context, what string, trouble func(context.Context, *lab) error) (err error) {
	l, err := b.small(ctx, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	span := time.Duration(b.minutes * float64(time.Minute))
	idleBefore, totalBefore, err := idle()
	if err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	g, gctx := errgroup.WithContext(timed)
	g.Go(func() error { return trouble(gctx, l) })
	g.Go(func() error { return l.refresh(gctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	outs, losses := 0, 0
	for _, o := range l.observers {
		all, lost := o.outages()
		outs += all
		losses += lost
	}
	idleAfter, totalAfter, err := idle()
	if err != nil {
		return err
	}
	b.report.below("quiet", what, float64(losses)/smallSite, "losses", 1, 0)
	b.report.add("quiet", "processor time in use meanwhile", 100*(1-(idleAfter-idleBefore)/(totalAfter-totalBefore)), "%", "")
	if outs != losses {
		b.report.add("quiet", "DNs out of service for other reasons meanwhile", float64(outs-losses), "events", "")
	}
	return nil
}

// refresh lets the phones register slowly, on and on.
func (l *lab) refresh(ctx context.Context) error {
	for {
		if _, err := l.load(ctx, 300, func(f *fleet) int { return len(f.phones) * 10 }); err != nil {
			return err
		}
	}
}

// burn keeps the whole machine at that share of its processor time.
func burn(ctx context.Context, share float64) error {
	const period = 20 * time.Millisecond
	var duty atomic.Int64 // ns of each period
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.NumCPU() {
		g.Go(func() error {
			t := time.NewTicker(period)
			defer t.Stop()
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case start := <-t.C:
					for time.Since(start) < time.Duration(duty.Load()) {
					}
				}
			}
		})
	}
	g.Go(func() error { return steer(ctx, share, period, &duty) })
	return g.Wait()
}

// steer sets the burners' duty so that the machine is as busy as wanted.
func steer(ctx context.Context, share float64, period time.Duration, duty *atomic.Int64) error {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	lastIdle, lastTotal, err := idle()
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		nowIdle, nowTotal, err := idle()
		if err != nil {
			return err
		}
		busy := 1 - (nowIdle-lastIdle)/max(nowTotal-lastTotal, 1)
		lastIdle, lastTotal = nowIdle, nowTotal
		next := float64(duty.Load()) + (share-busy)*float64(period)*0.5
		duty.Store(int64(min(max(next, 0), float64(period))))
	}
}
