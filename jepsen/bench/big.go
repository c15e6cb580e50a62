package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// big measures what many DNs cost: memory, lists, and the heal of a cut.
func (b *bench) big(ctx context.Context) (err error) {
	share := b.dns / 3
	l, err := b.lab(ctx, 3, []int{b.dns - 2*share, share, share}, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := b.memory(ctx, l); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	if err := b.lists(ctx, l); err != nil {
		return fmt.Errorf("lists: %w", err)
	}
	if !b.namespaces {
		b.report.skipped("heal", "heal with many DNs", b.missing)
		return nil
	}
	if err := b.heal(ctx, l); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	return nil
}

// footprint is the memory of all nodes, in bytes.
type footprint struct{ resident, heap float64 }

func (l *lab) footprint(ctx context.Context) (f footprint, err error) {
	for _, n := range l.nodes {
		if err := collect(ctx, n); err != nil {
			return f, err
		}
		heap, err := metric(ctx, n, "go_memstats_heap_alloc_bytes")
		if err == nil {
			f.heap += heap
		}
		p, err := pss(n.PID())
		if err != nil {
			return f, err
		}
		f.resident += p
	}
	return f, nil
}

func (b *bench) memory(ctx context.Context, l *lab) error {
	if err := pause(ctx, 3*time.Second); err != nil { // the import is folded away
		return err
	}
	for _, n := range l.nodes { // reading /metrics has them folded, which is of every DN that is configured
		if _, err := n.Statistics().GetGroups(ctx, &tcpb.GetGroupsRequest{}); err != nil {
			return err
		}
	}
	before, err := l.footprint(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := l.register(ctx); err != nil {
		return err
	}
	took := time.Since(start)
	for _, n := range l.nodes {
		_, err := cluster.Eventually(ctx, 20*time.Second, "all DNs in service at "+n.Name(), func(ctx context.Context) error {
			s, err := n.Status(ctx)
			if got := s.GetDns().GetInService(); err == nil && got != uint64(b.dns) {
				err = fmt.Errorf("%d of %d", got, b.dns)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	b.profiles(ctx, l.nodes[0], "mem", time.Second)
	after, err := l.footprint(ctx)
	if err != nil {
		return err
	}
	each := float64(b.dns * len(l.nodes))
	// The greater of the two: what a garbage collector gave back before the
	// registrations must not hide what they take.
	resident, heap := (after.resident-before.resident)/each, (after.heap-before.heap)/each
	b.report.below("mem", fmt.Sprintf("memory per DN and node, %d DNs registered", b.dns), max(resident, heap), "B", 320, 268)
	b.report.add("mem", "of which resident memory grew by", resident, "B", "")
	b.report.add("mem", "of which Go heap in use", heap, "B", "")
	b.report.add("mem", "resident memory of a node with them", after.resident/float64(len(l.nodes))/(1<<20), "MiB",
		fmt.Sprintf("%.1f MiB with the DNs configured only", before.resident/float64(len(l.nodes))/(1<<20)))
	b.report.add("mem", "first registration of all DNs", took.Seconds(), "s", "")
	return nil
}

// lists measures ListRoutable.
func (b *bench) lists(ctx context.Context, l *lab) error {
	client := l.nodes[1].Availability()
	took := time.Now()
	n, err := listAll(ctx, client, 10_000, nil)
	if err != nil {
		return err
	}
	if n != b.dns {
		return fmt.Errorf("%d routable DNs listed, want %d", n, b.dns)
	}
	b.report.add("list", fmt.Sprintf("list %d routable DNs, pages of 10,000", b.dns), ms(time.Since(took)), "ms", "")
	took = time.Now()
	if _, err := listAll(ctx, client, 0, nil); err != nil {
		return err
	}
	b.report.add("list", fmt.Sprintf("list %d routable DNs, pages of 1,000", b.dns), ms(time.Since(took)), "ms", "")
	calls, err := b.listCalls(ctx, client)
	if err != nil {
		return err
	}
	b.report.add("list", "ListRoutable calls, page of 1,000, 4 clients", calls, "/s", "")
	return nil
}

// listAll reads all pages and returns how many DNs there were; into, when not
// nil, takes each DN's owner.
func listAll(ctx context.Context, client tcpb.AvailabilityClient, page uint32, into map[string]string) (n int, err error) {
	req := &tcpb.ListRoutableRequest{PageSize: page}
	for {
		res, err := client.ListRoutable(ctx, req)
		if err != nil {
			return n, err
		}
		n += len(res.GetDns())
		for _, d := range res.GetDns() {
			if into != nil {
				into[d.GetDn()] = d.GetOwner()
			}
		}
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return n, nil
		}
	}
}

func (b *bench) listCalls(ctx context.Context, client tcpb.AvailabilityClient) (float64, error) {
	const clients, span = 4, 3 * time.Second
	start := time.Now()
	calls := make([]int, clients)
	g, ctx := errgroup.WithContext(ctx)
	for i := range clients {
		g.Go(func() error {
			for time.Since(start) < span {
				if _, err := client.ListRoutable(ctx, &tcpb.ListRoutableRequest{}); err != nil {
					return err
				}
				calls[i]++
			}
			return nil
		})
	}
	err := g.Wait()
	sum := 0
	for _, n := range calls {
		sum += n
	}
	return float64(sum) / time.Since(start).Seconds(), err
}

// healTrials is how often the big cluster is cut.
const healTrials = 3

// heal cuts one node off, lets phones refresh meanwhile, heals, and measures
// until all tables are equal.
func (b *bench) heal(ctx context.Context, l *lab) error {
	if err := l.watch(ctx); err != nil {
		return err
	}
	c := cutting{a: []int{0}, b: []int{1, 2}}
	var took []float64
	for range healTrials {
		if err := l.settle(ctx); err != nil {
			return err
		}
		if err := l.Split(ctx, pick(l.nodes, c.a), pick(l.nodes, c.b)); err != nil {
			return err
		}
		if _, err := l.acrossOOS(ctx, c); err != nil {
			return errors.Join(fmt.Errorf("after the cut: %w", err), l.Heal(ctx))
		}
		if _, err := l.load(ctx, 0, func(*fleet) int { return 1000 }); err != nil {
			return err
		}
		start := time.Now()
		if err := l.Heal(ctx); err != nil {
			return err
		}
		var last time.Time
		for _, dns := range l.dns {
			at, err := latest(ctx, l.observers, 60*time.Second, true, dns)
			if err != nil {
				return fmt.Errorf("after the heal: %w", err)
			}
			if at.After(last) {
				last = at
			}
		}
		took = append(took, last.Sub(start).Seconds())
		if err := l.equal(ctx); err != nil {
			return err
		}
	}
	b.report.below("heal", fmt.Sprintf("heal with %d DNs: all tables equal at all Stat Servers, worst of %d", b.dns, healTrials), quantile(took, 1), "s", 2, 0.5)
	b.report.add("heal", "the same, best", quantile(took, 0), "s", "")
	return nil
}

// equal compares what the nodes list.
func (l *lab) equal(ctx context.Context) error {
	var first map[string]string
	for i, n := range l.nodes {
		list := make(map[string]string)
		if _, err := listAll(ctx, n.Availability(), 10_000, list); err != nil {
			return err
		}
		if i == 0 {
			first = list
		} else if !maps.Equal(first, list) {
			return fmt.Errorf("%s lists other routable DNs than %s: %d and %d", n.Name(), l.nodes[0].Name(), len(list), len(first))
		}
	}
	return nil
}
