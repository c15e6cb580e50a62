package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

const (
	// floodLimit is --sip-rate of the nodes; floodRate new calls/s come for floodSeconds.
	floodLimit, floodRate, floodSeconds = 300, 20_000, 5
	// talking calls are up when the flood begins, and end in the midst of it.
	talking = 200
	// refreshRate registrations/s go on beside it.
	refreshRate = 100
	// steadyFirst is the number of the first of the steady calls.
	steadyFirst = 100_000_000
)

// flood measures what very many new calls do to a node with --sip-rate.
func (b *bench) flood(ctx context.Context) (err error) {
	x, err := b.exchange(ctx, "--sip-rate", strconv.Itoa(floodLimit))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	steady, err := x.second(ctx)
	if err != nil {
		return err
	}
	defer steady.close()
	n := x.nodes[0]
	before, _, err := resident(ctx, n)
	if err != nil {
		return err
	}
	crowd, calls, refreshed, err := onslaught{floodRate, floodSeconds, 2}.beside(ctx, x, steady)
	if err != nil {
		return err
	}
	b.floodFigures(crowd, calls, refreshed)
	after, most, err := resident(ctx, n)
	if err != nil {
		return err
	}
	b.report.add("call", "resident memory before the flood", before/mib, "MiB", "")
	b.report.add("call", "the most in the flood", most/mib, "MiB", fmt.Sprintf("%.0f of %d new calls/s sent, --sip-rate %d", float64(crowd.placed)/crowd.sending.Seconds(), floodRate, floodLimit))
	b.report.add("call", "after it", after/mib, "MiB", "")
	return nil
}

const mib = 1 << 20

// resident is a node's resident memory after a garbage collection, and the most it ever had.
func resident(ctx context.Context, n *cluster.Node) (now, most float64, err error) {
	if err := collect(ctx, n); err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
		if err != nil {
			return 0, 0, err
		}
		if name == "VmRSS" {
			now = kb * 1024
		} else {
			most = kb * 1024
		}
	}
	return now, most, nil
}

// second makes another gateway beside node 1.
func (x *exchange) second(ctx context.Context) (*gateway, error) {
	g, err := newGateway(ctx, x.nodes[0], x.realm, "steady")
	if err != nil {
		return nil, err
	}
	g.run = x.gateway.run // the same phones answer
	if err = x.nodes[0].PutDNs(ctx, []*configpb.DN{gatewayDN("steady", g.address())}); err == nil {
		err = x.configured(ctx, 2*callDNs+3)
	}
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// onslaught are new calls that come beside calls that are up and refreshes.
type onslaught struct {
	rate, seconds int
	patience      int // how often they are sent again
}

// beside runs the new calls, the steady calls and refreshes at once.
func (o onslaught) beside(ctx context.Context, x *exchange, steady *gateway) (crowd, calls result, refreshed outcome, err error) {
	// They are up before the flood begins, and hang up in its midst.
	steady.hold = time.Duration(o.seconds/2+1) * time.Second
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return steady.load(ctx, steadyFirst, talking, talking, func(i int) string { return x.dns[1][i%talking] })
	})
	if err := pause(ctx, 1500*time.Millisecond); err != nil {
		return crowd, calls, refreshed, err
	}
	g.Go(func() (err error) {
		refreshed, err = x.fleets[0].run(ctx, 0, refreshRate*o.seconds, refreshRate)
		return err
	})
	g.Go(func() (err error) {
		x.gateway.patience = o.patience
		crowd, _, err = x.place(ctx, o.rate, o.seconds, func(i int) string { return x.dns[1][talking+i%(callDNs-talking)] })
		return err
	})
	err = g.Wait()
	return crowd, steady.take(), refreshed, err
}

func (b *bench) floodFigures(crowd, calls result, refreshed outcome) {
	b.report.add("call", fmt.Sprintf("flood of %d new calls, refused 503 with Retry-After", crowd.placed), float64(crowd.refused), "calls", crowd.note())
	b.report.add("call", "the same, INVITE to its answer, p99", quantile(crowd.answered, 0.99), "ms", "")
	b.report.lost(fmt.Sprintf("of %d calls that were up, lost in the flood", calls.placed), calls.placed-calls.done, calls.note())
	b.report.add("call", "BYE to 200 in the flood, p99", quantile(calls.released, 0.99), "ms", "")
	b.report.lost(fmt.Sprintf("of %d refreshes in the flood, refused", refreshed.accepted+refreshed.failed), refreshed.failed, refreshed.note())
}
