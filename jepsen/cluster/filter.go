package cluster

import (
	"context"
	"fmt"
)

// Way is the direction in which packets of one node, or of what belongs to its
// site, go to another one.
type Way struct{ From, To *Node }

// Drop is what a Filter keeps from arriving.
type Drop struct {
	// Ways on which nothing arrives.
	Ways []Way
	// Ports: on PortWays nothing arrives to or from these ports, in either
	// direction. A way from a node to itself means its own site's phones.
	Ports    []Kind
	PortWays []Way
	// Loss in percent on LossyWays, between the nodes only.
	Loss      int
	LossyWays []Way
}

// Filter is a part of the network's faults that comes and goes on its own, so
// that several can be there at a time.
type Filter struct{ cluster *Cluster }

// NewFilter makes a filter that drops nothing yet.
func (c *Cluster) NewFilter() *Filter { return &Filter{cluster: c} }

// Set replaces what the filter drops, all at one moment.
func (f *Filter) Set(ctx context.Context, d Drop) error {
	c := f.cluster
	if c.net == nil {
		return ErrNeedsNamespaces
	}
	c.net.rules.Lock()
	defer c.net.rules.Unlock()
	c.net.filters[f] = d
	return c.install(ctx)
}

// Heal drops nothing any more.
func (f *Filter) Heal(ctx context.Context) error { return f.Set(ctx, Drop{}) }

func (c *Cluster) cuts(d *Drop) *cuts {
	f := newCuts()
	for _, w := range d.Ways {
		for _, p := range c.between(w.From, w.To) {
			f.pairs[p] = true
		}
	}
	for _, w := range d.PortWays {
		for _, p := range c.between(w.From, w.To) {
			for _, kind := range d.Ports {
				port := w.To.Addr(kind).Port()
				f.ports[fmt.Sprintf("%s . %s . %d", p.from, p.to, port)] = true
				f.ports[fmt.Sprintf("%s . %s . %d", p.to, p.from, port)] = true
			}
		}
	}
	for _, w := range d.LossyWays {
		f.lossy[pair{w.From.place.addr, w.To.place.addr}] = true
	}
	if f.loss = d.Loss; d.Loss == 0 {
		clear(f.lossy)
	}
	return f
}
