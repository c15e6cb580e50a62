package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// Carriers, some in the sites and others that every node reaches whatever is cut, and
// phones that transfer calls.
const (
	carrierPort  = 5098
	carrierTurn  = 11 * time.Second
	carrierLooks = 400 * time.Millisecond

	registrarPort = 5097
	registrarTurn = 3 * time.Second
	// accountLasts is the shortest that a node believes.
	accountLasts = 10 * time.Second

	steadyPort  = 5096
	steadyTrunk = "account-steady"
	// steadyLasts is longer than a cut: a contact that nobody takes back is there behind it.
	steadyLasts = 30 * time.Second

	publicPort    = 5100 // of the first; the others follow
	publicTrunk   = "lone-public"
	accountTrunk  = "account"
	accountDomain = "carrier.test"

	transferPrefix = "41"
	transferEvery  = 2500 * time.Millisecond
	// transferRest is longer than a node may show somebody as busy who has handed a call over.
	transferRest = 5 * time.Second
)

// carrierClients are all clients of a run with carriers but administrators.
func (r *run1) carrierClients(ctx context.Context, g *group) {
	for _, c := range r.carriers() {
		g.run(func() error { return c.Run(ctx) })
	}
	for _, t := range r.transfers() {
		g.run(func() error { return t.Run(ctx) })
	}
	calls := &workload.Calls{Telephones: slices.Concat(r.telephones(), r.gateways(), r.public())}
	g.run(func() error { return calls.Run(ctx) })
}

// carriersExpect is what a run with these clients must have seen of them.
func carriersExpect() []history.AtLeast {
	return []history.AtLeast{
		{Kind: history.Read, Count: 10}, {Kind: history.Swap, Count: 5}, {Kind: history.Dial, Count: 10}, {Kind: history.Within, Count: 10},
		{Kind: history.CarrierTurn, Count: 8}, {Kind: history.TrunkLook, Count: 50}, {Kind: history.CarrierEnrol, Count: 3},
		{Kind: history.Transfer, Count: 3}, {Kind: history.Transferred, Count: 2},
	}
}

// carriers are an address in each site that takes no calls, whose next address is the first
// gateway there. With Carriers there are one like that which every node reaches, and two at
// which they register, too, one of which always takes that; where other things break there are none.
func (r *run1) carriers() []*workload.Carrier {
	var all []*workload.Carrier
	if r.scenario.Carriers {
		all = append(all,
			&workload.Carrier{Site: r.site, Trunk: publicTrunk, Port: carrierPort, Turn: carrierTurn, Looks: carrierLooks},
			&workload.Carrier{Site: r.site, Trunk: accountTrunk, Port: registrarPort, Turn: registrarTurn, Looks: carrierLooks, Registrar: true, Expires: accountLasts},
			&workload.Carrier{Site: r.site, Trunk: steadyTrunk, Port: steadyPort, Looks: carrierLooks, Registrar: true, Steady: true, Expires: steadyLasts})
	} else if len(r.scenario.Tracks) > 0 {
		return nil
	}
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		all = append(all, &workload.Carrier{Site: r.site, Trunk: fmt.Sprintf("lone-%d", i), Node: n, Port: carrierPort, Turn: carrierTurn, Looks: carrierLooks})
	}
	return all
}

// public is the number of a telephone behind a carrier that every node reaches; each is
// the second of two trunks with a prefix of its own, its first three digits.
func public(i int) string { return fmt.Sprintf("98%d5", i) }

// public telephones are one for each node by which one calls in, none without Carriers.
func (r *run1) public() []*workload.Telephone {
	var all []*workload.Telephone
	if !r.scenario.Carriers {
		return nil
	}
	for i, n := range r.cluster.Nodes()[:r.nodes] {
		t := &workload.Telephone{Site: r.site, DN: public(i), Node: n, Every: gatewayEvery, Trunk: publicPort + uint16(i), Public: true}
		for j := range r.nodes * telephonesAtNode {
			t.Numbers = append(t.Numbers, telephone(j))
		}
		all = append(all, t)
	}
	return all
}

// carrierObjects are the trunks of carriers and the DNs of phones that transfer.
func (r *run1) carrierObjects() []*configpb.Mutation {
	var all []*configpb.Mutation
	put := func(d *configpb.DN) {
		all = append(all, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	trunk := func(name string, t *configpb.Trunk) {
		put(&configpb.DN{Number: name, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: t})
	}
	away := r.cluster.Visitor().IP()
	for _, c := range r.carriers() {
		t := &configpb.Trunk{Address: netip.AddrPortFrom(away, c.Port).String(), Prefix: "*"}
		if c.Node != nil {
			t.Address = netip.AddrPortFrom(c.Node.Phones().IP(), c.Port).String()
		}
		if c.Registrar {
			t.Registration = &configpb.TrunkRegistration{Domain: accountDomain, User: "acme", Called: routingPoint, ExpiresS: 60}
		}
		trunk(c.Trunk, t)
	}
	for _, t := range r.public() {
		trunk("first-"+t.DN, &configpb.Trunk{Address: netip.AddrPortFrom(away, carrierPort).String(), Prefix: t.DN[:3]})
		trunk("second-"+t.DN, &configpb.Trunk{Address: netip.AddrPortFrom(away, t.Trunk).String(), Prefix: t.DN[:3], Priority: 1})
	}
	for _, t := range r.transfers() {
		for _, p := range t.Parties() {
			put(cluster.SIPDN(p.DN, realm, p.Password))
		}
	}
	return all
}

// transfers are three phones for each node, one there and the others at the next ones; none
// without Carriers.
func (r *run1) transfers() []*workload.Transfers {
	var all []*workload.Transfers
	if !r.scenario.Carriers {
		return nil
	}
	nodes := r.cluster.Nodes()[:r.nodes]
	for i := range nodes {
		party := func(j int) *workload.Telephone {
			dn := fmt.Sprintf("%s%d%d", transferPrefix, i, j)
			return &workload.Telephone{Site: r.site, DN: dn, Password: "transfer-" + dn, Node: nodes[(i+j)%len(nodes)]}
		}
		all = append(all, &workload.Transfers{Site: r.site, Agent: party(0), Customer: party(1), Third: party(2), Every: transferEvery, Rest: transferRest})
	}
	return all
}
