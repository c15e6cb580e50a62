package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// addrs are all addresses of the node's site.
func (n *Node) addrs() []netip.Addr {
	all := []netip.Addr{n.place.addr, n.phones.addr}
	if inner := n.inner.Load(); inner != nil {
		all = append(all, *inner)
	}
	return all
}

// Move gives nodes, none of which runs, other addresses at which the others reach them;
// one that another node had is free as soon as that one has got another. Phones and
// clients find them where they were. Config.Movable only.
func (c *Cluster) Move(ctx context.Context, to map[*Node]netip.Addr) error {
	for n := range to {
		if n.Running() {
			return fmt.Errorf("node %s runs", n.name)
		}
		n.Joins()
	}
	c.net.rules.Lock()
	defer c.net.rules.Unlock()
	if err := c.give(ctx, to); err != nil {
		return err
	}
	for _, n := range c.Nodes() { // who had the address is not asked for it any more
		if err := n.place.ip(ctx, "neigh flush dev eth0"); err != nil {
			return err
		}
	}
	return c.install(ctx)
}

func (c *Cluster) give(ctx context.Context, to map[*Node]netip.Addr) error {
	for n := range to {
		if old := n.inner.Load(); old != nil {
			if err := n.place.ip(ctx, fmt.Sprintf("addr del %s/24 dev eth0", old)); err != nil {
				return err
			}
		}
	}
	for n, a := range to {
		if err := n.place.ip(ctx, fmt.Sprintf("addr add %s/24 dev eth0", a)); err != nil {
			return err
		}
		n.inner.Store(&a)
		if c.net.lines != nil {
			c.net.lines.Reach(a, c.net.lines.sites[n.site].end)
		}
	}
	return nil
}

// Inner is the address at which other nodes reach this one.
func (n *Node) Inner() netip.Addr { return n.Addr(ClusterPort).Addr() }

// FreeAddrs are addresses that no node has.
func (c *Cluster) FreeAddrs(count int) []netip.Addr {
	var taken, free []netip.Addr
	for _, n := range c.Nodes() {
		taken = append(taken, n.Inner())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(free) < count {
		c.moves++
		if a := hostAddr(firstInner + c.moves%(lastInner-firstInner+1)); !slices.Contains(taken, a) {
			free = append(free, a)
		}
	}
	return free
}

// Copy is another machine with what is on this node's disk now: the same node, with an
// address of its own. It is not started, and is no part of the cluster. Each call
// copies anew; the copy of before must not run.
func (n *Node) Copy(ctx context.Context) (*Node, error) {
	if err := n.CopyData(ctx, filepath.Join(n.cluster.cfg.Dir, "copy-"+n.name, "data")); err != nil {
		return nil, err
	}
	c := n.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.copies, func(o *Node) bool { return o.name == n.name }); i >= 0 {
		return c.copies[i], nil
	}
	o := &Node{cluster: c, name: n.name, site: n.site, dir: filepath.Join(c.cfg.Dir, "copy-"+n.name), phones: n.phones, ports: n.ports}
	var err error
	if o.place, err = c.place(ctx, "copy-"+n.name, n.site, firstCopy+len(c.copies)); err != nil {
		return nil, err
	}
	c.copies = append(c.copies, o)
	return o, o.prepareClient()
}

// CopyData replaces a directory by a copy of the node's data directory, as a power
// failure at this moment would leave it: a node that runs stands still meanwhile.
func (n *Node) CopyData(ctx context.Context, to string) error {
	if err := errors.Join(os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o700)); err != nil {
		return err
	}
	if n.Running() {
		if err := n.Pause(); err != nil {
			return err
		}
		defer func() { _ = n.Resume() }()
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", n.DataDir(), to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the data of %s: %w: %s", n.name, err, out)
	}
	return nil
}

// SetData makes a directory that CopyData made the node's data directory; it must not run.
func (n *Node) SetData(from string) error {
	return errors.Join(os.RemoveAll(n.DataDir()), os.Rename(from, n.DataDir()))
}
