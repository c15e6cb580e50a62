package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// Telephones that call each other; nobody looks for them in tables.
const (
	telephonesAtNode = 8
	callEvery        = 3500 * time.Millisecond
	routingPoint     = "3900"
	agentGroup       = "callers"
)

// telephones of the run, the same at each call.
func (r *run1) telephones() []*workload.Telephone {
	var all []*workload.Telephone
	numbers := []string{routingPoint, routingPoint}
	if !r.scenario.Carriers { // there are routers
		numbers = append(numbers, slices.Repeat([]string{routedPoint}, 6)...)
	}
	for i := range r.nodes * telephonesAtNode {
		numbers = append(numbers, telephone(i))
	}
	for i := range r.nodes * telephonesAtNode {
		trunks := []string{outside(i%r.nodes, 0), outside(i%r.nodes, 1)}
		if r.scenario.Carriers {
			trunks = append(trunks, public(i%r.nodes), public((i+1)%r.nodes))
		}
		all = append(all, &workload.Telephone{
			Site: r.site, DN: telephone(i), Password: fmt.Sprintf("secret-%d", i), Node: r.cluster.Nodes()[i%r.nodes], Every: callEvery,
			Numbers: slices.Concat(numbers, slices.Repeat(trunks, 3)),
		})
	}
	return all
}

func telephone(i int) string { return fmt.Sprintf("30%02d", i) }

// configureCalls writes the telephones' DNs, and the routing point whose agents
// are the last telephones of each node.
func (r *run1) configureCalls(ctx context.Context, n *cluster.Node) error {
	req := &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: agentGroup}}},
		{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: routingPoint, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: agentGroup},
		}}},
	}}
	req.Mutations = append(req.Mutations, r.clientObjects()...)
	for i, t := range r.telephones() {
		d := cluster.SIPDN(t.DN, realm, t.Password)
		if i >= r.nodes*(telephonesAtNode-1) {
			d.Groups = []string{agentGroup}
		}
		req.Mutations = append(req.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	_, err := n.Configuration().Write(ctx, req)
	return err
}
