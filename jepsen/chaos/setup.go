package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

const (
	realm = "chaos.test"
	// phonePrefix begins the number of every phone.
	phonePrefix = "20"
)

// Clients at each node, and of the whole cluster.
const (
	settledPhones   = 3
	wanderingPhones = 3
	absentPhones    = 1
	rovingPhones    = 1
	silentPhones    = 1
	administrators  = 4
	registers       = 3
	phoneEvery      = 900 * time.Millisecond
	writeEvery      = 250 * time.Millisecond
	pollEvery       = 80 * time.Millisecond
	statusEvery     = 250 * time.Millisecond
	sumsEvery       = 700 * time.Millisecond
	liesEvery       = 150 * time.Millisecond
	slowness        = 300 * time.Millisecond
)

// setUp starts the nodes and configures the phones.
func (r *run1) setUp(ctx context.Context) error {
	nodes := r.cluster.Nodes()[:r.nodes]
	if err := r.mountDisks(nodes); err != nil {
		return err
	}
	if err := r.arena.Start(ctx, nodes[0]); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, n := range nodes[1:] {
		g.Go(func() error { return r.arena.Start(gctx, n) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if _, err := r.cluster.WaitWhole(ctx, 30*time.Second); err != nil {
		return err
	}
	if r.scenario.Trip > 0 {
		if err := r.arena.Stretch(r.scenario.Path); err != nil {
			return err
		}
	}
	if err := r.arena.Check(ctx); err != nil {
		return err
	}
	r.site = &workload.Site{Cluster: r.cluster, Record: r.record, Seed: r.seed, Realm: realm}
	if r.scenario.Secured {
		if err := r.admitLiars(ctx, nodes); err != nil {
			return err
		}
	}
	return r.configure(ctx, nodes)
}

// mountDisks puts the data directories on file systems of their own where the scenario
// fills or freezes them.
func (r *run1) mountDisks(nodes []*cluster.Node) error {
	lossyd := ""
	if r.scenario.Freezes {
		var err error
		if lossyd, err = lossyfs.Build(r.dir); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		var err error
		switch {
		case r.scenario.Freezes:
			err = n.MountDisk(lossyd)
		case r.scenario.Disks:
			err = n.Place().MountTmpfs(n.DataDir(), nemesis.DiskSize)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// admitLiars makes those who hold what is not theirs; the spare node is removed for them.
func (r *run1) admitLiars(ctx context.Context, nodes []*cluster.Node) error {
	dir := filepath.Join(r.dir, "stolen")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	r.liars = &workload.Liars{Site: r.site, Nodes: nodes, Dir: dir, Every: liesEvery}
	if err := r.liars.Admit(ctx, r.cluster.Nodes()[r.nodes]); err != nil {
		return err
	}
	_, err := r.cluster.WaitWhole(ctx, 30*time.Second)
	return err
}

// configure writes the phones' DNs and lets registrations and the grace of connections be short.
func (r *run1) configure(ctx context.Context, nodes []*cluster.Node) error {
	now, err := nodes[0].Configuration().GetOptions(ctx, &configpb.GetOptionsRequest{})
	if err != nil {
		return err
	}
	now.Options.MinExpiresS, now.Options.Revision = 1, 0
	now.Options.PingIntervalS = proto.Uint32(0) // who doesn't answer is found by calls
	now.Options.TrunkOptionsS = proto.Uint32(1)
	now.Options.FlowGraceS = proto.Uint32(uint32(history.Bounds{}.WithDefaults().FlowGrace / time.Second))
	if _, err := nodes[0].Configuration().Write(ctx, &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutOptions{PutOptions: now.GetOptions()}}}}); err != nil {
		return err
	}
	var dns []*configpb.DN
	for _, p := range r.phones() {
		dns = append(dns, cluster.SIPDN(p.DN, realm, p.Password))
	}
	for i, d := range r.desktops() {
		if d.Manner != workload.Companion {
			dns = append(dns, cluster.PSTNDN(d.DN, fmt.Sprintf("+1555%07d", i)))
		}
	}
	for _, p := range r.people() {
		for _, d := range p.Desks {
			dns = append(dns, cluster.PSTNDN(d.DN, "+1666"+d.DN))
		}
	}
	if err := r.configureCalls(ctx, nodes[0]); err != nil {
		return err
	}
	if err := nodes[0].PutDNs(ctx, dns); err != nil {
		return err
	}
	for _, n := range nodes {
		_, err := cluster.Eventually(ctx, 10*time.Second, "the phones' DNs are known at "+n.Name(), func(ctx context.Context) error {
			_, err := n.Configuration().GetDN(ctx, &configpb.GetDNRequest{Number: dns[len(dns)-1].GetNumber()})
			return err
		})
		if err == nil {
			err = r.site.Dump(ctx, n, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// phones are the users of the run, the same at each call.
func (r *run1) phones() []*workload.Phone {
	var all []*workload.Phone
	add := func(node, count int, c workload.Character) {
		for range count {
			dn := number(len(all))
			all = append(all, &workload.Phone{
				Site: r.site, DN: dn, Password: "secret-" + strconv.Itoa(len(all)), Character: c, Home: node, Every: phoneEvery,
			})
		}
	}
	for node := range r.nodes {
		add(node, settledPhones, workload.Settled)
		add(node, wanderingPhones, workload.Wanderer)
		add(node, absentPhones, workload.Absent)
		add(node, rovingPhones, workload.Rover)
		add(node, silentPhones, workload.Silent)
	}
	return all
}

// work starts what changes the cluster's state.
func (r *run1) work(ctx context.Context) *group {
	g := &group{}
	if r.scenario.Carriers {
		r.carrierClients(ctx, g)
	} else {
		r.clients(ctx, g)
	}
	values := &workload.Values{}
	for i := range administrators {
		a := &workload.Configuration{Site: r.site, Name: fmt.Sprintf("admin-%d", i+1), Values: values, Keys: registers, Every: writeEvery}
		g.run(func() error { return a.Run(ctx) })
	}
	return g
}

// clients are those of most runs but administrators.
func (r *run1) clients(ctx context.Context, g *group) {
	for _, p := range r.phones() {
		g.run(func() error { return p.Run(ctx) })
	}
	for _, d := range r.desktops() {
		g.run(func() error { return d.Run(ctx) })
	}
	for _, p := range r.people() {
		g.run(func() error { return p.Run(ctx) })
	}
	for _, w := range r.routers() {
		g.run(func() error { return w.Run(ctx) })
	}
	for _, f := range r.flows() {
		g.run(func() error { return f.Run(ctx) })
	}
	for _, d := range r.duals() {
		g.run(func() error { return d.Run(ctx) })
	}
	for _, e := range r.outOfDialog() {
		g.run(func() error { return e.Run(ctx) })
	}
	for _, w := range r.callRouters() {
		g.run(func() error { return w.Run(ctx) })
	}
	for _, w := range r.roamers() {
		g.run(func() error { return w.Run(ctx) })
	}
	for _, w := range r.deaf() {
		g.run(func() error { return w.Run(ctx) })
	}
	for _, c := range r.carriers() {
		g.run(func() error { return c.Run(ctx) })
	}
	for _, p := range r.present() {
		g.run(func() error { return p.Run(ctx) })
	}
	calls := r.callers()
	g.run(func() error { return calls.Run(ctx) })
	if r.liars != nil {
		g.run(func() error { return r.liars.Run(ctx) })
	}
}

// watch starts what only looks.
func (r *run1) watch(ctx context.Context) *group {
	g := &group{}
	g.run(func() error { r.noteStalls(ctx); return nil })
	for _, n := range r.cluster.Nodes() {
		p := &workload.Availability{Site: r.site, Node: n, Every: pollEvery, Prefix: phonePrefix}
		s := &workload.Status{Site: r.site, Node: n, Every: statusEvery}
		sums := &workload.Sums{Site: r.site, Node: n, Every: sumsEvery}
		g.run(func() error { sums.Run(ctx); return nil })
		o := &workload.Stream{Site: r.site, Name: "stat-" + n.Name(), Node: n, Prefix: phonePrefix}
		g.run(func() error { p.Run(ctx); return nil })
		g.run(func() error { s.Run(ctx); return nil })
		g.run(func() error { return o.Run(ctx) })
		t := &workload.StatServer{Site: r.site, Name: "tlib-" + n.Name(), Node: n, Prefix: phonePrefix}
		g.run(func() error { return t.Run(ctx) })
		h := &workload.Holds{Site: r.site, Node: n, Every: holdsEvery, Prefix: telephonePrefix}
		g.run(func() error { h.Run(ctx); return nil })
		if r.scenario.Carriers {
			b := &workload.BusyLooks{Site: r.site, Node: n, Every: carrierLooks, Prefix: transferPrefix}
			g.run(func() error { b.Run(ctx); return nil })
		}
		c := &workload.CallWatch{Site: r.site, Name: "calls-" + n.Name(), Node: n}
		g.run(func() error { return c.Run(ctx) })
	}
	slow := &workload.Stream{Site: r.site, Name: "slow", Node: r.cluster.Node(1), Prefix: phonePrefix, Slow: slowness}
	g.run(func() error { return slow.Run(ctx) })
	slower := &workload.StatServer{Site: r.site, Name: "tlib-slow", Node: r.cluster.Node(2), Prefix: phonePrefix, Slow: slowness}
	g.run(func() error { return slower.Run(ctx) })
	return g
}

// stall is how long the runner may stand still: it takes part in all that is timed.
const stall = 700 * time.Millisecond

// noteStalls watches the runner itself.
func (r *run1) noteStalls(ctx context.Context) {
	tick := time.NewTicker(stall / 7)
	defer tick.Stop()
	for last := r.record.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := r.record.Now()
		if now-last > stall {
			r.say("the machine stood still for %v", (now - last).Round(time.Millisecond))
			r.record.Stall(last)
		}
		last = now
	}
}

func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}
