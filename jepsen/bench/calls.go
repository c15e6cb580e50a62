package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

const (
	// callDNs is how many phones each of two nodes has.
	callDNs = 600
	// routedRate and lossRate are in calls/s.
	routedRate, lossRate = 200, 500

	routingPoint = "1900000"
)

// exchange is a cluster whose phones at nodes 1 and 2 take calls that a gateway
// beside node 1 places.
type exchange struct {
	*lab
	gateway *gateway
	phones  []*answering // of nodes 1 and 2
	next    int          // number of the next call
}

func (b *bench) exchange(ctx context.Context, args ...string) (x *exchange, err error) {
	return b.exchangeOf(ctx, cluster.Config{Nodes: 3, Loopback: true, Args: args})
}

func (b *bench) exchangeOf(ctx context.Context, cfg cluster.Config) (x *exchange, err error) {
	l, err := b.labOf(ctx, cfg, []int{callDNs, callDNs, 0})
	if err != nil {
		return nil, err
	}
	x = &exchange{lab: l}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.close())
		}
	}()
	if err = x.register(ctx); err != nil {
		return nil, err
	}
	if x.gateway, err = newGateway(ctx, l.nodes[0], b.realm, "gw"); err != nil {
		return nil, err
	}
	for _, f := range l.fleets[:2] {
		x.phones = append(x.phones, f.answer(x.gateway.run))
	}
	return x, x.prepare(ctx)
}

// register makes the phones register, slower than --sip-rate allows.
func (x *exchange) register(ctx context.Context) error {
	o, err := x.load(ctx, len(x.fleets)*floodLimit*2/3, func(f *fleet) int { return len(f.phones) })
	if err == nil && o.failed > 0 {
		err = fmt.Errorf("%d phones could not register: %s", o.failed, o.why)
	}
	return err
}

// prepare configures the gateway and the routing point, and waits until node 1
// sees every phone.
func (x *exchange) prepare(ctx context.Context) error {
	err := x.nodes[0].PutDNs(ctx, []*configpb.DN{
		gatewayDN("gw", x.gateway.address()),
		{
			Number: routingPoint, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{TimeoutMs: 2000},
		},
	})
	if err != nil {
		return err
	}
	if err := x.configured(ctx, 2*callDNs+2); err != nil {
		return err
	}
	o, err := observe(ctx, x.nodes[0])
	if err != nil {
		return err
	}
	defer o.close()
	_, err = o.state(ctx, 30*time.Second, true, append(slices.Clone(x.dns[0]), x.dns[1]...))
	return err
}

func (x *exchange) close() error {
	if x.gateway != nil {
		x.gateway.close()
	}
	return x.lab.close()
}

// place makes the gateway place so many seconds of calls, the phones repeating
// what they must, and returns what became of them.
func (x *exchange) place(ctx context.Context, rate, seconds int, called func(int) string) (r result, first int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go repeat(ctx, x.phones)
	first = x.next
	x.next += rate * seconds
	err = x.gateway.load(ctx, first, rate*seconds, rate, called)
	return x.gateway.take(), first, err
}

// repeat has phones send again what is due.
func repeat(ctx context.Context, phones []*answering) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, p := range phones {
				p.resend(now)
			}
		}
	}
}

// calls measures calls: what they cost, how long they wait at a routing point,
// whether they are lost, and what a flood of them does.
func (b *bench) calls(ctx context.Context) (err error) {
	x, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(b.direct(ctx, x), b.routed(ctx, x), x.close())
	return errors.Join(err, b.flood(ctx))
}

// direct measures calls from node 1 to phones of node 2.
func (b *bench) direct(ctx context.Context, x *exchange) error {
	parts, all, r, err := b.costs(ctx, x)
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(max(r.done, 1)) }
	b.report.add("call", fmt.Sprintf("CPU per call at %d/s to a phone of another node, 3 nodes together", lossRate), each(all), "µs", r.note())
	for i, what := range []string{"where the caller is", "where the phone is", "the third node"} {
		b.report.add("call", "the same, "+what, each(parts[i]), "µs", "")
	}
	return nil
}

// costs is the CPU time of each node, and of all, for calls from node 1 to phones of node 2.
func (b *bench) costs(ctx context.Context, x *exchange) (parts []time.Duration, all time.Duration, r result, err error) {
	called := func(i int) string { return x.dns[1][i%callDNs] }
	if _, _, err := x.place(ctx, routedRate, 1, called); err != nil { // warm
		return nil, 0, r, err
	}
	for i, n := range x.nodes[:2] {
		go b.profiles(ctx, n, fmt.Sprintf("call-n%d", i+1), time.Duration(b.seconds-1)*time.Second)
	}
	before, err := cpus(x.nodes)
	if err != nil {
		return nil, 0, r, err
	}
	if r, _, err = x.place(ctx, lossRate, b.seconds, called); err != nil {
		return nil, 0, r, err
	}
	after, err := cpus(x.nodes)
	parts, all = spent(before, after)
	return parts, all, r, err
}

// routed measures calls to a routing point of node 1 with a router attached,
// whose phones are in turn at node 1 and at node 2.
func (b *bench) routed(ctx context.Context, x *exchange) error {
	var dns []string
	for i := range callDNs {
		dns = append(dns, x.dns[0][i], x.dns[1][i])
	}
	router, err := route(ctx, x.nodes[0], routingPoint, dns)
	if err != nil {
		return err
	}
	defer router.close()
	point := func(int) string { return routingPoint }
	if _, _, err := x.place(ctx, routedRate, 1, point); err != nil { // warm
		return err
	}
	r, first, err := x.place(ctx, routedRate, 2*b.seconds, point)
	if err != nil {
		return err
	}
	waits := x.waits(first, r.placed)
	both := slices.Concat(waits...)
	if len(both) < r.placed {
		r.failed["not at a phone"] += r.placed - len(both)
	}
	what := fmt.Sprintf("INVITE at a routing point to INVITE at the phone, %d/s, ", routedRate)
	b.report.add("call", what+"p50", quantile(both, 0.5), "ms", r.note()+router.note())
	b.report.below("call", "the same, p99", quantile(both, 0.99), "ms", 10, 3)
	for i, where := range []string{"this", "another"} {
		b.report.add("call", "the same to phones of "+where+" node, p99", quantile(waits[i], 0.99), "ms", "")
	}
	seconds := 10
	if b.full {
		seconds = 60
	}
	if r, _, err = x.place(ctx, lossRate, seconds, point); err != nil {
		return err
	}
	b.report.lost(fmt.Sprintf("lost calls of %d by the router, %d/s for %d s", r.placed, lossRate, seconds), r.placed-r.done, r.note()+router.note())
	return nil
}

// lost notes a count that should be 0.
func (r *report) lost(what string, count int, note string) { r.lostOf("call", what, count, note) }

func (r *report) lostOf(part, what string, count int, note string) {
	f := figure{Part: part, What: what, Value: float64(count), Unit: "calls", Targeted: true, Verdict: "aim", Note: note}
	if count > 0 {
		f.Verdict = "MISSED"
	}
	r.append(f)
}

// waits are the times from a gateway's INVITE to that at the phones of node 1 and of node 2.
func (x *exchange) waits(first, count int) [][]float64 {
	out := make([][]float64, len(x.phones))
	x.gateway.mu.Lock()
	defer x.gateway.mu.Unlock()
	sent := x.gateway.sent
	for i := first; i < first+count; i++ {
		for k, p := range x.phones {
			if at, ok := p.arrived(i); ok {
				out[k] = append(out[k], ms(at.Sub(sent[i])))
			}
		}
	}
	return out
}

// note says what was not perfect.
func (r *result) note() string {
	s := fmt.Sprintf("%d of %d calls; ", r.done, r.placed)
	for _, why := range slices.Sorted(maps.Keys(r.failed)) {
		s += fmt.Sprintf("%d %s; ", r.failed[why], why)
	}
	if r.resent > 0 {
		s += fmt.Sprintf("%d sent again; ", r.resent)
	}
	return strings.TrimSuffix(s, "; ") + " "
}
