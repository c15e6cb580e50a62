package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

const (
	// statServers at one node, and the first registrations/s that each of them
	// hears of.
	statServers, statRate = 100, 200
)

// crowd are Stat Servers that monitor everything at one node, and one more that
// reads nothing.
type crowd struct {
	conns  []*grpc.ClientConn
	cancel context.CancelFunc
	wg     sync.WaitGroup
	events atomic.Int64 // DNs that came in service
	heard  atomic.Int64 // events of all kinds
	failed atomic.Int64
}

// gather connects n Stat Servers and waits for their snapshots.
func gather(ctx context.Context, node *cluster.Node, n int) (*crowd, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{cancel: cancel}
	var ready sync.WaitGroup
	for i := range n + 1 {
		s, err := c.open(ctx, node)
		if err == nil {
			err = s.Send(&tlibpb.ClientMessage{ReferenceId: 2, Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{}}})
		}
		if err != nil {
			return c, err
		}
		if i == n {
			break // it never reads
		}
		ready.Add(1)
		c.wg.Go(func() { c.read(ctx, s, sync.OnceFunc(ready.Done)) })
	}
	ready.Wait()
	return c, nil
}

// open opens a session of a connection of its own.
func (c *crowd) open(ctx context.Context, node *cluster.Node) (tlibpb.TLibrary_SessionClient, error) {
	conn, err := node.Dial(cluster.TCPort)
	if err != nil {
		return nil, err
	}
	c.conns = append(c.conns, conn)
	s, err := tlibpb.NewTLibraryClient(conn).Session(ctx)
	if err != nil {
		return nil, err
	}
	return s, s.Send(&tlibpb.ClientMessage{ReferenceId: 1, Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: "bench"}}})
}

func (c *crowd) read(ctx context.Context, s tlibpb.TLibrary_SessionClient, ready func()) {
	defer ready()
	for {
		m, err := s.Recv()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, io.EOF) {
				c.failed.Add(1)
			}
			return
		}
		for _, e := range m.GetEvents() {
			if !e.GetSnapshot() {
				c.heard.Add(1)
			}
			if e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT {
				ready()
			} else if e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE && !e.GetSnapshot() {
				c.events.Add(1)
			}
		}
	}
}

func (c *crowd) close() {
	c.cancel()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.wg.Wait()
}

// statServers measures what 100 Stat Servers at one node cost its registrar.
func (b *bench) statServers(ctx context.Context) error {
	alone, among, each, err := b.amongClients(ctx, statServers)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("REGISTER to 200 at %d/s", statRate)
	b.report.add("stat", what+", no Stat Server, p50", quantile(alone, 0.5), "ms", "")
	b.report.add("stat", "the same, p99", quantile(alone, 0.99), "ms", "")
	b.report.add("stat", fmt.Sprintf("%s, %d Stat Servers at the node, p50", what, statServers), quantile(among, 0.5), "ms", "all on the same cores; one more reads nothing")
	b.report.add("stat", "the same, p99", quantile(among, 0.99), "ms", "")
	b.report.add("stat", "CPU of the node per event and Stat Server", each, "µs", "")
	return nil
}

// amongClients registers phones at a node without and with clients that monitor
// everything there: their times to the 200 in ms, and what an event costs for a client in µs.
func (b *bench) amongClients(ctx context.Context, clients int) (alone, among []float64, each float64, err error) {
	count := statRate * b.seconds
	l, err := b.lab(ctx, 1, []int{4 * count}, false)
	if err != nil {
		return nil, nil, 0, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if _, err := l.fleets[0].run(ctx, 0, count, 0); err != nil { // warm
		return nil, nil, 0, err
	}
	alone, cpuAlone, err := l.firsts(ctx, count, count)
	if err != nil {
		return nil, nil, 0, err
	}
	crowd, err := gather(ctx, l.nodes[0], clients)
	defer crowd.close()
	if err != nil {
		return nil, nil, 0, err
	}
	go b.profiles(ctx, l.nodes[0], "stat", time.Duration(b.seconds-1)*time.Second)
	among, cpuAmong, err := l.firsts(ctx, 2*count, count)
	if err != nil {
		return nil, nil, 0, err
	}
	want := int64(clients * count)
	_, err = cluster.Eventually(ctx, 10*time.Second, "every client heard of every DN", func(context.Context) error {
		if got := crowd.events.Load(); got != want || crowd.failed.Load() > 0 {
			return fmt.Errorf("%d of %d events, %d sessions failed", got, want, crowd.failed.Load())
		}
		return nil
	})
	return alone, among, float64((cpuAmong - cpuAlone).Microseconds()) / float64(want), err
}

// firsts makes phones register that never did, and returns their times to the 200 in ms.
func (l *lab) firsts(ctx context.Context, first, count int) (answered []float64, cpu time.Duration, err error) {
	before, err := cpus(l.nodes)
	if err != nil {
		return nil, 0, err
	}
	f := l.fleets[0]
	out, err := f.run(ctx, first, count, statRate)
	if err == nil && out.failed > 0 {
		err = fmt.Errorf("%d phones could not register: %s", out.failed, out.why)
	}
	if err != nil {
		return nil, 0, err
	}
	after, err := cpus(l.nodes)
	if err != nil {
		return nil, 0, err
	}
	_, cpu = spent(before, after)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range slices.Clone(f.phones[first : first+count]) {
		answered = append(answered, ms(p.done.Sub(p.sent)))
	}
	return answered, cpu, nil
}
