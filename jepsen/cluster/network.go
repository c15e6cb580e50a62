package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
)

// Addresses of the test network. They exist only within its namespaces, so
// that every network can use the same ones.
const (
	switchHost   = 1
	firstNode    = 10
	firstInner   = 30
	lastInner    = 89
	firstCopy    = 90
	firstPhones  = 110
	firstVisitor = 200
)

// firstBridge joins what belongs to no site, and everything where there are no lines.
const firstBridge = "br0"

func hostAddr(host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, 0, byte(host)})
}

// network is a bridge in a namespace of its own, with a cable to each place; with lines, a
// bridge for each site. The test process itself reaches the nodes from there.
type network struct {
	hub   *Place
	lines *lines // nil: one bridge joins all
	// rules guards the order of changes to the packet filter.
	rules   sync.Mutex
	cuts    *cuts
	filters map[*Filter]Drop
}

// install gives all cuts to the packet filter in one transaction, by the addresses
// that the nodes have now.
func (c *Cluster) install(ctx context.Context) error {
	all := newCuts()
	all.add(c.net.cuts)
	for _, d := range c.net.filters {
		all.add(c.cuts(&d))
	}
	return c.net.hub.nft(ctx, all.rules())
}

func newNetwork(ctx context.Context, long bool) (*network, error) {
	hub, err := newPlace("switch", "", hostAddr(switchHost), true)
	if err != nil {
		return nil, err
	}
	n := &network{hub: hub, cuts: newCuts(), filters: map[*Filter]Drop{}}
	if err = n.setUp(ctx); err == nil && long {
		n.lines, err = newLines(ctx, hub)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *network) close() {
	if n.lines != nil {
		n.lines.close()
	}
	n.hub.Close()
}

func (n *network) setUp(ctx context.Context) error {
	err := n.hub.ip(ctx,
		"link set lo up",
		"link add "+firstBridge+" type bridge mcast_snooping 0",
		fmt.Sprintf("addr add %s/24 dev %s", n.hub.addr, firstBridge),
		"link set "+firstBridge+" up")
	if err != nil {
		return err
	}
	return n.hub.nft(ctx, filterTable)
}

// plug makes a place and connects it to the bridge, with lines to that of its site.
func (n *network) plug(ctx context.Context, name, site string, host int) (*Place, error) {
	bridge := firstBridge
	if n.lines != nil {
		var err error
		if bridge, err = n.lines.reach(ctx, site, hostAddr(host)); err != nil {
			return nil, err
		}
	}
	p, err := newPlace(name, site, hostAddr(host), true)
	if err != nil {
		return nil, err
	}
	port := fmt.Sprintf("port%d", host)
	err = n.hub.ip(ctx,
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", port, p.netnsPath()),
		fmt.Sprintf("link set %s master %s up", port, bridge))
	if err == nil {
		err = p.ip(ctx,
			"link set lo up",
			fmt.Sprintf("addr add %s/24 dev eth0", p.addr),
			"link set eth0 up")
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	return p, nil
}

// ip runs commands of ip(8) in the place.
func (p *Place) ip(ctx context.Context, commands ...string) error {
	cmd := exec.CommandContext(ctx, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	_, err := p.output(cmd)
	return err
}

// nft applies a file of nft(8) in the place, whole or not at all.
func (p *Place) nft(ctx context.Context, rules string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	_, err := p.output(cmd)
	return err
}
