package main

import (
	"context"
	"errors"
	"fmt"
)

// answerBound is how long a caller may wait for an answer, in ms.
const answerBound = 500

// overload measures a node that is offered more calls than it does, without a limit that
// somebody has set: first the most that it does, then with what is offered.
func (b *bench) overload(ctx context.Context) (err error) {
	x, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	steady, err := x.second(ctx)
	if err != nil {
		return err
	}
	defer steady.close()
	best, note, err := b.bestRate(ctx, x)
	if err != nil {
		return err
	}
	b.report.add("overload", "calls/s that come about, without one that is refused or lost", best, "calls/s", note)
	o := onslaught{b.offered, b.seconds, 6}
	crowd, calls, refreshed, err := o.beside(ctx, x, steady)
	if err != nil {
		return err
	}
	seconds := crowd.sending.Seconds()
	b.report.add("overload", fmt.Sprintf("calls/s offered (%d were to be)", b.offered), float64(crowd.placed)/seconds, "calls/s", crowd.note())
	b.report.add("overload", "calls/s that come about", float64(crowd.done)/seconds, "calls/s", "")
	b.report.add("overload", "calls/s refused, 503 with Retry-After", float64(crowd.refused)/seconds, "calls/s", "")
	b.report.lostOf("overload", "neither answered nor refused", crowd.placed-crowd.done-crowd.refused, "")
	b.report.add("overload", "INVITE to its answer, p50", quantile(crowd.answered, 0.5), "ms", "")
	b.report.below("overload", "the same, the longest", quantile(crowd.answered, 1), "ms", answerBound, answerBound)
	b.report.lostOf("overload", fmt.Sprintf("of %d calls that were up, lost", calls.placed), calls.placed-calls.done, calls.note())
	b.report.add("overload", "BYE to 200, p99", quantile(calls.released, 0.99), "ms", "")
	b.report.lostOf("overload", fmt.Sprintf("of %d refreshes, refused or lost", refreshed.accepted+refreshed.failed), refreshed.failed, refreshed.note())
	return b.kernel(ctx, x)
}

// bestRate raises the calls/s until some are refused or lost.
func (b *bench) bestRate(ctx context.Context, x *exchange) (best float64, note string, err error) {
	const step, seconds = 500, 2
	for rate := step; rate <= b.offered; rate += step {
		r, _, err := x.place(ctx, rate, seconds, func(i int) string { return x.dns[1][talking+i%(callDNs-talking)] })
		if err != nil {
			return 0, "", err
		}
		if sent := float64(r.placed) / r.sending.Seconds(); r.done < r.placed || sent < 0.95*float64(rate) {
			return best, fmt.Sprintf("at %.0f/s: %s", sent, r.note()), nil
		}
		best = float64(r.placed) / r.sending.Seconds()
	}
	return best, "more than are offered", nil
}

// kernel notes what the nodes say of their sockets.
func (b *bench) kernel(ctx context.Context, x *exchange) error {
	for i, n := range x.nodes[:2] {
		for _, name := range []string{"sip_receive_buffer_bytes", "sip_kernel_drops_total", "sip_late_total", "sip_shed_total"} {
			value, err := metric(ctx, n, "sipcluster_"+name)
			if err != nil {
				return err
			}
			b.report.add("overload", fmt.Sprintf("%s of node %d", name, i+1), value, "", "")
		}
	}
	return nil
}
