package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/site"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// units are what the real code was measured to take.
type units struct {
	// own and copied are the memory of a DN at its node and at each other one, octets.
	own, copied float64
	// idle are the octets a second of a line each way on which nothing happens; refresh, called
	// and row those of a registration, of a call from begin to end, and of a DN in a snapshot.
	idle, refresh, called, row float64
	// refreshCPU and callCPU are what telling one other node of a registration and of a call
	// takes, at both ends together, without system calls and TLS.
	refreshCPU, callCPU time.Duration
	// lost is how long after the cut of a site a node of another one knows it, back how long
	// after its end.
	lost, back time.Duration
}

// peer is another node, as the one that is measured meets it.
type peer struct {
	id, site string
	line     *line
	table    *dn.Table
	calls    *call.Table
	server   *grpc.Server
	// next of its DNs is the one that refreshes.
	next, sample int
	owed         float64
	heads        string
}

// cluster is one node with its links to all others.
type cluster struct {
	plan  *Plan
	table *dn.Table
	mesh  *tcontroller.Mesh
	peers []*peer
	lines sync.Map // dn.Node -> *line
	wg    sync.WaitGroup
}

// simulate runs a node of the plan's cluster for some virtual seconds.
func (u *units) simulate(t *testing.T, p *Plan) (err error) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(p)
		ctx, cancel := context.WithCancel(t.Context())
		defer c.end(cancel)
		c.begin(ctx)
		err = u.measure(c)
	})
	return err
}

func newCluster(p *Plan) *cluster {
	c := &cluster{plan: p, table: dn.New(dn.Config{Self: "n0", Incarnation: 1})}
	for k := 1; k < p.Nodes; k++ {
		x := &peer{id: fmt.Sprint("n", k), site: fmt.Sprint("dc", k%p.Sites), line: newLine(), sample: min(p.Sample, p.DNs/p.Nodes), heads: fmt.Sprintf("%03d", k)}
		c.start(x, 1)
		c.peers = append(c.peers, x)
	}
	return c
}

// start starts a peer's process.
func (c *cluster) start(x *peer, incarnation uint64) {
	x.table = dn.New(dn.Config{Self: dn.Node(x.id), Incarnation: incarnation})
	x.calls = call.New(call.Config{Self: dn.Node(x.id), Incarnation: incarnation})
	for range x.sample {
		x.register()
	}
	links := tcontroller.NewServer(tcontroller.ServerConfig{
		ClusterID: "c", Table: x.table, Calls: x.calls, Roster: func(dn.Node) (bool, uint64) { return true, 1 }, Applied: func() uint64 { return 1 }, Log: slog.New(slog.DiscardHandler),
	})
	x.server = grpc.NewServer(grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(1<<20))
	peerpb.RegisterTControllerServer(x.server, links)
	server, ln := x.server, x.line
	c.wg.Go(func() { _ = server.Serve(ln) })
}

// register has the next DN of the peer register, for the first time or again.
func (x *peer) register() {
	x.table.Register(x.number(x.next), dn.Registered)
	x.next = (x.next + 1) % x.sample
}

func (x *peer) number(k int) dn.Number { return dn.Number(x.heads + fmt.Sprintf("%07d", k)) }

// call is one from its begin to its end.
func (x *peer) call() error {
	to := x.number(x.next)
	x.next = (x.next + 1) % x.sample
	id, err := x.calls.Begin(call.Info{Caller: "4930901820", ANI: "+4930901820111", DNIS: string(to)})
	if err != nil {
		return err
	}
	x.calls.Ringing(id, to, dn.Node(x.id))
	x.calls.Established(id, to)
	x.calls.End(id, 0, false)
	return nil
}

func (c *cluster) begin(ctx context.Context) {
	var peers []tcontroller.Peer
	for _, x := range c.peers {
		c.lines.Store(dn.Node(x.id), x.line)
		peers = append(peers, tcontroller.Peer{ID: dn.Node(x.id), Name: x.id, Addr: x.id + ":7002"})
	}
	c.mesh = tcontroller.NewMesh(tcontroller.Config{
		ClusterID: "c", Table: c.table, Calls: call.New(call.Config{Self: "n0", Incarnation: 1}), Rejoin: func(dn.Node) {}, Log: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context, id dn.Node, _ string) (net.Conn, error) {
			l, known := c.lines.Load(id)
			if !known {
				return nil, errors.New("no such node")
			}
			return l.(*line).dial(ctx)
		},
	})
	c.mesh.SetPeers(peers)
	for _, x := range c.peers {
		c.mesh.Gossip(dn.Node(x.id), true, 1, "")
	}
	c.wg.Go(func() { _ = c.mesh.Run(ctx) })
	c.wg.Go(func() { c.pinged(ctx) })
}

// pinged has the peers ping on their own links, which are like this node's.
func (c *cluster) pinged(ctx context.Context) {
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		for _, x := range c.peers {
			if !x.line.cut.Load() {
				c.mesh.Pinged(dn.Node(x.id), 1)
			}
		}
	}
}

func (c *cluster) end(cancel context.CancelFunc) {
	cancel()
	for _, x := range c.peers {
		x.server.Stop()
	}
	c.wg.Wait()
}

// passes lets virtual time pass.
func passes(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// until waits for a condition and says how long that took.
func until(most time.Duration, cond func() bool) (time.Duration, error) {
	began := time.Now()
	for !cond() {
		if time.Since(began) > most {
			return 0, fmt.Errorf("waited in vain for %v", most)
		}
		passes(5 * time.Millisecond)
	}
	return time.Since(began), nil
}

// octets of all lines.
func (c *cluster) octets() (n float64) {
	for _, x := range c.peers {
		n += float64(x.line.octets.Load())
	}
	return n
}

// during measures what goes over all lines and what the process takes while at each peer
// something happens at a rate.
func (c *cluster) during(rate float64, what func(*peer) error) (octets float64, cpu time.Duration, times float64, err error) {
	const step = 10 * time.Millisecond
	passes(time.Second)
	before, used := c.octets(), processorTime()
	for range int(c.plan.Span / step) {
		for k, x := range c.peers {
			if x.owed == 0 && times == 0 {
				x.owed = float64(k) / float64(len(c.peers)) // they don't keep step
			}
			for x.owed += rate * step.Seconds(); x.owed >= 1; x.owed-- {
				if err := what(x); err != nil {
					return 0, 0, 0, err
				}
				times++
			}
		}
		passes(step)
	}
	passes(time.Second) // what waited for company
	return c.octets() - before, processorTime() - used, times, nil
}

// measure takes the units from a cluster.
func (u *units) measure(c *cluster) error {
	p, whole := c.plan, len(c.peers)*c.peers[0].sample
	if _, err := until(time.Minute, func() bool { return c.heard() == len(c.peers) && c.table.Counts().InSrv == whole }); err != nil {
		return fmt.Errorf("the links come up: %w", err)
	}
	quiet, rest, _, err := c.during(0, nil)
	if err != nil {
		return err
	}
	long := (p.Span + time.Second).Seconds()
	u.idle = quiet / long / float64(len(c.peers))
	each := float64(p.DNs) / float64(p.Nodes) / p.Refresh.Seconds()
	octets, cpu, times, err := c.during(each, func(x *peer) error { x.register(); return nil })
	if err != nil {
		return err
	}
	u.refresh, u.refreshCPU = (octets-quiet)/max(times, 1), time.Duration(float64(max(cpu-rest, 0))/max(times, 1))
	octets, cpu, times, err = c.during(p.Calls/float64(p.Nodes), (*peer).call)
	if err != nil {
		return err
	}
	u.called, u.callCPU = (octets-quiet)/max(times, 1), time.Duration(float64(max(cpu-rest, 0))/max(times, 1))
	if err := u.cut(c); err != nil {
		return err
	}
	return u.restart(c)
}

func (c *cluster) heard() (n int) {
	for _, s := range c.mesh.Status() {
		if s.Heard {
			n++
		}
	}
	return n
}

// gone tells whether a site is lost, as a node tells it.
func (c *cluster) gone(at string) bool {
	of := map[string]string{}
	for _, x := range c.peers {
		of[x.id] = x.site
	}
	nodes := []site.Node{{Name: "n0", Site: "dc0", Heard: true}}
	for _, s := range c.mesh.Status() {
		nodes = append(nodes, site.Node{Name: s.Name, Site: of[s.Name], Heard: s.Heard, Connecting: s.Connecting(), Since: s.Since})
	}
	states, _ := site.Of(nodes, time.Now())
	for _, s := range states {
		if s.Site == at {
			return s.Gone()
		}
	}
	return false
}

// cut cuts a site off, other than the measured node's where there is one, and mends it.
func (u *units) cut(c *cluster) (err error) {
	at := c.peers[0].site
	for _, x := range c.peers {
		if x.site == at {
			x.line.sever()
		}
	}
	lost := func() bool {
		if at != "dc0" {
			return c.gone(at)
		}
		return c.heard() == 0 // one site: all that there is
	}
	if u.lost, err = until(time.Minute, lost); err != nil {
		return fmt.Errorf("the loss of a site: %w", err)
	}
	passes(5 * time.Second)
	for _, x := range c.peers {
		x.line.mend()
	}
	if u.back, err = until(time.Minute, func() bool { return c.heard() == len(c.peers) }); err != nil {
		return fmt.Errorf("the end of a cut: %w", err)
	}
	return nil
}

// restart restarts a peer, whose DNs come over whole.
func (u *units) restart(c *cluster) error {
	x := c.peers[len(c.peers)-1]
	x.server.Stop()
	passes(time.Second)
	x.line, x.next = newLine(), 0
	c.lines.Store(dn.Node(x.id), x.line)
	c.start(x, 2)
	c.mesh.Gossip(dn.Node(x.id), true, 2, "")
	if _, err := until(time.Minute, func() bool { return c.heard() == len(c.peers) }); err != nil {
		return fmt.Errorf("a restart: %w", err)
	}
	u.row = float64(x.line.octets.Load()) / float64(x.sample)
	return nil
}

// processorTime of this process.
func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
