package main

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// Those who are in a call where they aren't registered: users that go from node
// to node, with telephones that call them and hang up, and agents with a telephone
// elsewhere, whose calls leave by a trunk.
const (
	anchorsAtNode   = 2
	roamersAtNode   = 2
	anchorPrefix    = "35"
	roamerPrefix    = "36"
	elsewherePrefix = "37"
	deafPrefix      = "38"
	hopefulPrefix   = "385"
	outsidePoint    = "3902"
	outsideGroup    = "outside"
	// agentsGateway is the gateway behind which a node's agent has the telephone.
	agentsGateway = gatewaysAtNode
)

func anchor(i int) string    { return fmt.Sprintf("%s%02d", anchorPrefix, i) }
func roamer(i int) string    { return fmt.Sprintf("%s%02d", roamerPrefix, i) }
func elsewhere(i int) string { return fmt.Sprintf("%s%02d", elsewherePrefix, i) }

// anchors are telephones that call roamers, and are called by them.
func (r *run1) anchors() []*workload.Telephone {
	var numbers []string
	for i := range r.nodes * roamersAtNode {
		numbers = append(numbers, roamer(i))
	}
	for i := range r.nodes {
		numbers = append(numbers, elsewhere(i))
	}
	var all []*workload.Telephone
	for i := range r.nodes * anchorsAtNode {
		dn := anchor(i)
		all = append(all, &workload.Telephone{Site: r.site, DN: dn, Password: "anchor-" + dn, Node: r.cluster.Nodes()[i%r.nodes], Numbers: numbers, Every: callEvery})
	}
	return all
}

func (r *run1) roamers() []*workload.Roamer {
	var numbers []string
	for i := range r.nodes * anchorsAtNode {
		numbers = append(numbers, anchor(i))
	}
	var all []*workload.Roamer
	for i := range r.nodes * roamersAtNode {
		dn := roamer(i)
		all = append(all, &workload.Roamer{Site: r.site, DN: dn, Password: "roamer-" + dn, Home: i % r.nodes, Numbers: numbers, Every: callEvery / 2})
	}
	return all
}

// deaf are telephones that say nothing at times, one at each node.
func (r *run1) deaf() []*workload.Deaf {
	var all []*workload.Deaf
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		dn := fmt.Sprintf("%s%02d", deafPrefix, i)
		all = append(all, &workload.Deaf{
			Telephone: &workload.Telephone{Site: r.site, DN: dn, Password: "deaf-" + dn, Node: n}, Hears: 2500 * time.Millisecond, Silent: 6 * time.Second,
		})
	}
	return all
}

// hopeful are the telephones that call them, one at each node.
func (r *run1) hopeful() []*workload.Telephone {
	var all []*workload.Telephone
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		dn := fmt.Sprintf("%s%d", hopefulPrefix, i)
		t := &workload.Telephone{Site: r.site, DN: dn, Password: "hopeful-" + dn, Node: n, Every: time.Second, Waits: 3500 * time.Millisecond}
		for _, d := range r.deaf() {
			t.Numbers = append(t.Numbers, d.DN)
		}
		all = append(all, t)
	}
	return all
}

// elsewhere is the telephone of the node's agent with a telephone elsewhere.
func (r *run1) elsewhere(i int, n *cluster.Node) *workload.Telephone {
	return &workload.Telephone{
		Site: r.site, DN: outside(i, agentsGateway), Node: n, Every: gatewayEvery, Trunk: gatewayPort + agentsGateway, Agent: elsewhere(i),
	}
}

// present are the desktops of these agents.
func (r *run1) present() []*workload.Present {
	var all []*workload.Present
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		all = append(all, &workload.Present{Site: r.site, DN: elsewhere(i), Node: n})
	}
	return all
}

// roamingObjects is the configuration that they need beside telephones and trunks.
func (r *run1) roamingObjects() []*configpb.Mutation {
	all := []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: outsideGroup}}},
		{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: outsidePoint, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: outsideGroup},
		}}},
	}
	put := func(d *configpb.DN) {
		all = append(all, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	for _, w := range r.roamers() {
		put(cluster.SIPDN(w.DN, realm, w.Password))
	}
	for _, w := range r.deaf() {
		put(cluster.SIPDN(w.DN, realm, w.Password))
	}
	for i := range r.nodes {
		d := cluster.PSTNDN(elsewhere(i), outside(i, agentsGateway))
		d.Groups = []string{outsideGroup}
		put(d)
	}
	return all
}
