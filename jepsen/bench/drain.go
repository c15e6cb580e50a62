package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// drainDNs is how many phones the node has that is drained.
const drainDNs = 5_000

// drains measures what a drain that is undone takes out of service.
func (b *bench) drains(ctx context.Context) (err error) {
	l, err := b.lab(ctx, 3, []int{0, drainDNs, 0}, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	err = l.register(ctx)
	if err == nil {
		err = l.watch(ctx)
	}
	if err == nil {
		err = l.settle(ctx)
	}
	if err != nil {
		return err
	}
	name := l.nodes[1].Name()
	if _, err := l.nodes[0].Cluster().DrainNode(ctx, &tcpb.DrainNodeRequest{Name: name}); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if _, err := l.nodes[0].Cluster().DrainNode(ctx, &tcpb.DrainNodeRequest{Name: name, Undo: true}); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	worst, events := 0, 0
	for _, o := range l.observers {
		outs, _ := o.outages()
		events += outs
		worst = max(worst, o.missing(l.dns[1]))
	}
	b.report.below("drain", fmt.Sprintf("drained for 1 s and undone, %d phones: DNs OOS at the node that shows most", drainDNs), float64(worst), "DNs", 1, 0)
	b.report.below("drain", "the same, OOS events at all nodes together", float64(events), "events", 1, 0)
	return nil
}

// missing counts the DNs that it holds for out of service.
func (o *observer) missing(dns []string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, dn := range dns {
		if r := o.rows[dn]; r == nil || !r.inSrv {
			n++
		}
	}
	return n
}
