package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// latency measures first registrations at node 1 to the event at an observer
// of node 2.
func (b *bench) latency(ctx context.Context) (err error) {
	count := b.latRate * 2 * b.seconds
	l, err := b.lab(ctx, 3, []int{count, 0, 0}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	o, err := observe(ctx, l.nodes[1])
	if err != nil {
		return err
	}
	defer o.close()
	f := l.fleets[0]
	out, err := f.run(ctx, 0, count, b.latRate)
	if err != nil {
		return err
	}
	if out.failed > 0 {
		return fmt.Errorf("%d phones could not register: %s", out.failed, out.why)
	}
	if _, err := o.state(ctx, 10*time.Second, true, l.dns[0]); err != nil {
		return err
	}
	accepted, asked, answered := f.timings(o)
	b.report.below("lat", fmt.Sprintf("REGISTER to event at another node, %d/s, p50", b.latRate), quantile(accepted, 0.5), "ms", 5, 0.5)
	b.report.below("lat", "the same, p99", quantile(accepted, 0.99), "ms", 5, 1.5)
	b.report.add("lat", "the same, worst", quantile(accepted, 1), "ms", out.note())
	b.report.add("lat", "first REGISTER (before the 401) to event, p50", quantile(asked, 0.5), "ms", "")
	b.report.add("lat", "first REGISTER (before the 401) to event, p99", quantile(asked, 0.99), "ms", "")
	b.report.add("lat", "REGISTER to 200, p50", quantile(answered, 0.5), "ms", "")
	b.report.add("lat", "REGISTER to 200, p99", quantile(answered, 0.99), "ms", "")
	return nil
}

// timings of the fleet's latest registrations, in ms: from the REGISTER that is
// accepted to the event, from the one before the challenge to the event, and
// from the former to its 200.
func (f *fleet) timings(o *observer) (accepted, asked, answered []float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range f.phones {
		p := &f.phones[i]
		at := o.rows[p.number].in
		accepted = append(accepted, ms(at.Sub(p.sent)))
		asked = append(asked, ms(at.Sub(p.first)))
		answered = append(answered, ms(p.done.Sub(p.sent)))
	}
	return accepted, asked, answered
}
