package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// Clients at each node beside phones, desktops and telephones that call.
const (
	// firstFlow is the number of the first DN with phones on connections, behind
	// those of the desktops; everybody's tables are asked for it.
	firstFlow  = 100
	flowsEvery = 600 * time.Millisecond

	// firstDual is the number of the first DN of a phone with two ways; who calls those has
	// a number of nobody else's kind.
	firstDual        = 120
	dualCallerPrefix = "40"
	dualEvery        = 500 * time.Millisecond

	outOfDialogEvery = 150 * time.Millisecond
	// sampleTime bounds the calls at the end, sampleQuiet is the time of some lists before and
	// behind them, and longer than a list may take.
	sampleTime, sampleQuiet = 30 * time.Second, 1200 * time.Millisecond
	nobody                  = phonePrefix + "99x" // the number of no DN

	// longRing is longer than timer B of RFC 3261, 32 s.
	longRing  = 36 * time.Second
	ringEvery = time.Second

	gatewayEvery = 4 * time.Second
	gatewayPort  = 5090 // of the first; the others follow

	gatewaysAtNode = 2

	// telephonePrefix begins the number of everybody who calls.
	telephonePrefix = "3"
	agentPrefix     = "34"
	routedPoint     = "3901"
	routerEvery     = time.Second
	holdsEvery      = 120 * time.Millisecond
	routersPatience = 2000 // ms
	snapshotAfter   = 4    // log entries, less than a second of them
	loginGroup      = "trained"
	agentsAtNode    = 2
)

// serverArgs serve what the clients need, and make snapshots of Raft within a run.
func (r *run1) serverArgs() ([]string, error) {
	cert, key, err := cluster.Certificate(r.dir)
	return []string{
		"--realm", realm, "--raft-snapshot-after", fmt.Sprint(snapshotAfter),
		"--sip-tls-addr", fmt.Sprintf(":%d", workload.TLSPort), "--sip-ws-addr", fmt.Sprintf(":%d", workload.WSPort),
		"--sip-tls-cert", cert, "--sip-tls-key", key,
	}, err
}

// sights are what the run must have seen of what these clients do.
func (r *run1) sights() map[history.Sight]int {
	if r.scenario.Carriers {
		return map[history.Sight]int{history.TrunkIn: 3, history.TrunkOut: 3}
	}
	all := map[history.Sight]int{
		history.Delivered: 20, history.Refused: 5, history.TCPFlows: 2, history.TLSFlows: 2, history.WSFlows: 2,
		history.TrunkIn: 1, history.TrunkOut: 1, history.Routes: 1, history.RoutesRefused: 3, history.LooksAtHolds: 50,
		history.Restores:    r.scenario.Restores,
		history.MovedInCall: 1, history.StrangeWays: 1, history.Silences: 1, history.Vain: 1, history.PSTNCalls: 1, history.TakeOvers: 3,
	}
	if r.scenario.Rings && warmUp+r.length+cmp.Or(r.settled, recovery) > longRing+5*time.Second {
		all[history.LongRings] = 1
	}
	maps.Copy(all, r.scenario.Seen)
	return all
}

// flows are DNs with several phones on connections, one at each node.
func (r *run1) flows() []*workload.Flows {
	var all []*workload.Flows
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		all = append(all, &workload.Flows{Site: r.site, DN: number(firstFlow + i), Password: fmt.Sprintf("flow-%d", i), Node: n, Every: flowsEvery})
	}
	return all
}

// duals are phones with two ways: at each node and the one behind it, called by way of
// another one.
func (r *run1) duals() []*workload.Dual {
	var all []*workload.Dual
	nodes := r.cluster.Nodes()[:r.nodes]
	for i, n := range nodes {
		all = append(all, &workload.Dual{
			Site: r.site, DN: number(firstDual + i), Password: fmt.Sprintf("dual-%d", i), Ways: [2]*cluster.Node{n, nodes[(i+1)%r.nodes]},
			Caller: fmt.Sprintf("%s%02d", dualCallerPrefix, i), CallerPassword: fmt.Sprintf("dual-caller-%d", i), From: nodes[(i+2)%r.nodes], Every: dualEvery,
		})
	}
	return all
}

// outOfDialog are telephones that send requests to all phones and to nobody.
func (r *run1) outOfDialog() []*workload.OutOfDialog {
	var dns []string
	for _, p := range r.phones() {
		dns = append(dns, p.DN)
	}
	var all []*workload.OutOfDialog
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		all = append(all, &workload.OutOfDialog{
			Site: r.site, DN: fmt.Sprintf("31%02d", i), Password: fmt.Sprintf("outofdialog-%d", i), Node: n, DNs: dns, Unknown: nobody, Every: outOfDialogEvery,
		})
	}
	return all
}

// sample calls all phones by way of each node, when nothing changes any more.
func (r *run1) sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	r.site.Sampling.Store(true)
	wait(ctx, sampleQuiet)
	g := &group{}
	for _, c := range r.outOfDialog() {
		if c.Node.Running() {
			s := &workload.Sample{Site: r.site, DN: c.DN, Password: c.Password, Node: c.Node, DNs: c.DNs}
			g.run(func() error { return s.Run(ctx) })
		}
	}
	err := g.Wait()
	wait(ctx, sampleQuiet)
	return err
}

// slowTelephones are a pair at each node, of which one lets the other one wait.
func (r *run1) slowTelephones() []*workload.Telephone {
	var all []*workload.Telephone
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		caller, called := fmt.Sprintf("32%02d", i), fmt.Sprintf("33%02d", i)
		all = append(all,
			&workload.Telephone{Site: r.site, DN: caller, Password: "caller-" + caller, Node: n, Numbers: []string{called}, Every: ringEvery, Waits: longRing + 20*time.Second},
			&workload.Telephone{Site: r.site, DN: called, Password: "called-" + called, Node: n, Every: ringEvery, Rings: longRing})
	}
	return all
}

// outside is the number of the telephone behind a gateway of a node's site; each
// gateway has a prefix of its own, its first three digits.
func outside(node, gateway int) string { return fmt.Sprintf("9%d%d5", node, gateway) }

// gateways are telephones outside, each behind a gateway in a node's site.
func (r *run1) gateways() []*workload.Telephone {
	var all []*workload.Telephone
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		for g := range gatewaysAtNode {
			t := &workload.Telephone{Site: r.site, DN: outside(i, g), Node: n, Every: gatewayEvery, Trunk: gatewayPort + uint16(g)}
			for j := range r.nodes * telephonesAtNode {
				t.Numbers = append(t.Numbers, telephone(j))
			}
			if !r.scenario.Carriers { // there are agents outside
				t.Numbers = append(t.Numbers, slices.Repeat([]string{outsidePoint}, len(t.Numbers)/2)...)
			}
			all = append(all, t)
		}
		if !r.scenario.Carriers {
			all = append(all, r.elsewhere(i, n))
		}
	}
	return all
}

func agentAt(node, i, nodes int) string { return fmt.Sprintf("%s%02d", agentPrefix, i*nodes+node) }

// agents are telephones that only routers send calls to.
func (r *run1) agents() []*workload.Telephone {
	var all []*workload.Telephone
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		for j := range agentsAtNode {
			dn := agentAt(i, j, r.nodes)
			all = append(all, &workload.Telephone{Site: r.site, DN: dn, Password: "agent-" + dn, Node: n, Every: ringEvery})
		}
	}
	return all
}

// callRouters are one at each node: of a node's two agents they send calls to
// the first one, and reserve both.
func (r *run1) callRouters() []*workload.CallRouter {
	var routed, reserved []string
	for i := range r.nodes {
		routed, reserved = append(routed, agentAt(i, 0, r.nodes)), append(reserved, agentAt(i, 1, r.nodes))
	}
	var all []*workload.CallRouter
	for _, n := range r.cluster.Nodes()[:r.nodes] {
		all = append(all, &workload.CallRouter{
			Site: r.site, Name: "call-router-" + n.Name(), Node: n, RoutingPoint: routedPoint, Routed: routed, Reserved: reserved, Every: routerEvery,
		})
	}
	return all
}

// callers are all telephones of the run.
func (r *run1) callers() *workload.Calls {
	c := &workload.Calls{}
	for _, more := range [][]*workload.Telephone{r.telephones(), r.slowTelephones(), r.gateways(), r.agents(), r.anchors(), r.hopeful()} {
		c.Telephones = append(c.Telephones, more...)
	}
	return c
}

// clientObjects is the configuration that these clients need, and a group that
// only has to be there at the end.
func (r *run1) clientObjects() []*configpb.Mutation {
	all := []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: loginGroup, LoginRequired: true}}},
		{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: routedPoint, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT,
			RoutingPoint: &configpb.RoutingPoint{DefaultGroup: agentGroup, TimeoutMs: routersPatience},
		}}},
	}
	put := func(d *configpb.DN) {
		all = append(all, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	for _, f := range r.flows() {
		put(cluster.SIPDN(f.DN, realm, f.Password))
	}
	for _, d := range r.duals() {
		put(cluster.SIPDN(d.DN, realm, d.Password))
		put(cluster.SIPDN(d.Caller, realm, d.CallerPassword))
	}
	for _, e := range r.outOfDialog() {
		put(cluster.SIPDN(e.DN, realm, e.Password))
	}
	for _, t := range slices.Concat(r.slowTelephones(), r.agents(), r.anchors(), r.hopeful()) {
		put(cluster.SIPDN(t.DN, realm, t.Password))
	}
	all = append(all, r.roamingObjects()...)
	for _, t := range r.gateways() {
		k := &configpb.Trunk{Address: netip.AddrPortFrom(t.Node.Phones().IP(), t.Trunk).String(), Prefix: t.DN[:3], Priority: uint32(t.Trunk - gatewayPort)}
		if t.Trunk == gatewayPort && len(r.carriers()) > 0 { // the address before it takes no calls
			k.MoreAddresses = []string{k.Address}
			k.Address = netip.AddrPortFrom(t.Node.Phones().IP(), carrierPort).String()
		}
		put(&configpb.DN{Number: "trunk-" + t.DN, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: k})
	}
	return append(all, r.carrierObjects()...)
}
