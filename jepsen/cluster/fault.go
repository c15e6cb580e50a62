package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// filterTable drops what crosses the bridge between the pairs in its sets: a
// silent loss, as when a cable is cut, nobody gets an error. Source and
// destination make a pair, so a cut can be one-way. What goes over a line crosses
// two bridges: what is under way when a cut begins is lost too, and the loss counts once.
const filterTable = `
table bridge faults {
	set cut { type ipv4_addr . ipv4_addr; }
	set port_cut { type ipv4_addr . ipv4_addr . inet_service; }
	set lossy { type ipv4_addr . ipv4_addr; }
	chain loss { }
	chain forward {
		type filter hook forward priority 0; policy accept;
		ip saddr . ip daddr @cut drop
		ip saddr . ip daddr . tcp dport @port_cut drop
		ip saddr . ip daddr . tcp sport @port_cut drop
		ip saddr . ip daddr . udp dport @port_cut drop
		ip saddr . ip daddr . udp sport @port_cut drop
		iifname != "line*" ip saddr . ip daddr @lossy jump loss
	}
}
`

// ErrNeedsNamespaces says that loopback mode can't do it.
var ErrNeedsNamespaces = errors.New("network faults need namespace mode (root)")

type pair struct{ from, to netip.Addr }

func (p pair) String() string { return p.from.String() + " . " + p.to.String() }

// cuts is what the packet filter is meant to hold.
type cuts struct {
	pairs map[pair]bool
	ports map[string]bool // "from . to . port"
	lossy map[pair]bool
	loss  int // percent
}

func newCuts() *cuts {
	return &cuts{pairs: map[pair]bool{}, ports: map[string]bool{}, lossy: map[pair]bool{}}
}

// add joins what another set of cuts drops; of two losses the greater counts.
func (f *cuts) add(o *cuts) {
	maps.Copy(f.pairs, o.pairs)
	maps.Copy(f.ports, o.ports)
	maps.Copy(f.lossy, o.lossy)
	f.loss = max(f.loss, o.loss)
}

// Cut drops everything between the two nodes and between what belongs to their
// sites, in both directions. It adds to the cuts there are.
func (c *Cluster) Cut(ctx context.Context, a, b *Node) error {
	return c.Split(ctx, []*Node{a}, []*Node{b})
}

// CutOneWay drops what from sends to to.
func (c *Cluster) CutOneWay(ctx context.Context, from, to *Node) error {
	return c.change(ctx, func(f *cuts) {
		for _, p := range c.between(from, to) {
			f.pairs[p] = true
		}
	})
}

// CutOff separates the node and its site from all the other nodes.
func (c *Cluster) CutOff(ctx context.Context, n *Node) error {
	others := slices.DeleteFunc(c.Nodes(), func(m *Node) bool { return m == n })
	return c.Split(ctx, []*Node{n}, others)
}

// Split separates two groups of nodes with their sites from each other, all at
// one moment. It adds to the cuts there are.
func (c *Cluster) Split(ctx context.Context, a, b []*Node) error {
	return c.change(ctx, func(f *cuts) {
		for _, x := range a {
			for _, y := range b {
				for _, p := range slices.Concat(c.between(x, y), c.between(y, x)) {
					f.pairs[p] = true
				}
			}
		}
	})
}

// CutPort drops what goes between the two nodes to or from the given port,
// over UDP and TCP.
func (c *Cluster) CutPort(ctx context.Context, a, b *Node, port uint16) error {
	return c.change(ctx, func(f *cuts) {
		f.ports[fmt.Sprintf("%s . %s . %d", a.place.addr, b.place.addr, port)] = true
		f.ports[fmt.Sprintf("%s . %s . %d", b.place.addr, a.place.addr, port)] = true
	})
}

// Loss drops this share of the packets between all nodes; 0 ends it.
func (c *Cluster) Loss(ctx context.Context, percent int) error {
	return c.change(ctx, func(f *cuts) {
		f.loss = percent
		clear(f.lossy)
		for _, x := range c.Nodes() {
			for _, y := range c.Nodes() {
				if x != y {
					f.lossy[pair{x.place.addr, y.place.addr}] = true
				}
			}
		}
	})
}

// Heal ends every cut and loss, those of filters included.
func (c *Cluster) Heal(ctx context.Context) error {
	return c.change(ctx, func(f *cuts) {
		*f = *newCuts()
		clear(c.net.filters)
	})
}

// between lists the pairs of addresses from one node's site to another's.
func (c *Cluster) between(from, to *Node) []pair {
	var pairs []pair
	for _, x := range from.addrs() {
		for _, y := range to.addrs() {
			pairs = append(pairs, pair{x, y})
		}
	}
	return pairs
}

// change edits the cuts and gives them to the packet filter in one transaction.
func (c *Cluster) change(ctx context.Context, edit func(*cuts)) error {
	if c.net == nil {
		return ErrNeedsNamespaces
	}
	c.net.rules.Lock()
	defer c.net.rules.Unlock()
	edit(c.net.cuts)
	return c.install(ctx)
}

func (f *cuts) rules() string {
	var b strings.Builder
	fill := func(set string, elements []string) {
		fmt.Fprintf(&b, "flush set bridge faults %s\n", set)
		if len(elements) > 0 {
			slices.Sort(elements)
			fmt.Fprintf(&b, "add element bridge faults %s { %s }\n", set, strings.Join(elements, ", "))
		}
	}
	fill("cut", texts(f.pairs))
	fill("lossy", texts(f.lossy))
	ports := make([]string, 0, len(f.ports))
	for p := range f.ports {
		ports = append(ports, p)
	}
	fill("port_cut", ports)
	b.WriteString("flush chain bridge faults loss\n")
	switch {
	case f.loss >= 100:
		b.WriteString("add rule bridge faults loss drop\n")
	case f.loss > 0:
		fmt.Fprintf(&b, "add rule bridge faults loss numgen random mod 100 < %d drop\n", f.loss)
	}
	return b.String()
}

func texts(pairs map[pair]bool) []string {
	out := make([]string, 0, len(pairs))
	for p := range pairs {
		out = append(out, p.String())
	}
	return out
}
