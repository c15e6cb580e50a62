package main

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// Clients of the T-Library at each node.
const (
	desktopEvery = 700 * time.Millisecond
	reserveEvery = 500 * time.Millisecond
	// firstDesktop is the number of the first agent at a telephone in the
	// public network, behind those of the phones.
	firstDesktop = 70
	// people have a desk at each node, the first with this number.
	people, firstDesk = 2, 150
)

// phonesAtNode is how many phones begin at each node; the first ones are the
// settled ones, behind them come the wandering ones.
const phonesAtNode = settledPhones + wanderingPhones + absentPhones + rovingPhones + silentPhones

// desktops are the agents' desktops of the run, the same at each call.
func (r *run1) desktops() []*workload.Desktop {
	var all []*workload.Desktop
	add := func(dn string, node int, m workload.Manner) {
		all = append(all, &workload.Desktop{Site: r.site, DN: dn, Manner: m, Home: node, Every: desktopEvery})
	}
	pstn := firstDesktop
	for node := range r.nodes {
		for _, m := range []workload.Manner{workload.Seated, workload.Mobile, workload.Remote} {
			add(number(pstn), node, m)
			pstn++
		}
		add(number((node+1)%r.nodes*phonesAtNode), node, workload.Companion)
	}
	return all
}

// people work at a desk of each node.
func (r *run1) people() []*workload.Person {
	var all []*workload.Person
	for i := range people {
		p := &workload.Person{Site: r.site, ID: fmt.Sprintf("8%02d", i), Every: desktopEvery}
		for node := range r.nodes {
			p.Desks = append(p.Desks, &workload.Desktop{Site: r.site, DN: number(firstDesk + i*r.nodes + node), Manner: workload.Seated, Home: node})
		}
		all = append(all, p)
	}
	return all
}

// routers compete for a settled phone of each node and for one that wanders.
func (r *run1) routers() []*workload.Router {
	dns := []string{number(settledPhones)}
	for node := range min(r.nodes, 3) {
		dns = append(dns, number(node*phonesAtNode+1))
	}
	var all []*workload.Router
	for _, n := range r.cluster.Nodes()[:r.nodes] {
		all = append(all, &workload.Router{Site: r.site, Name: "router-" + n.Name(), Node: n, DNs: dns, Every: reserveEvery})
	}
	return all
}

// number of a DN by its place.
func number(i int) string { return fmt.Sprintf("%s%02d", phonePrefix, i) }
