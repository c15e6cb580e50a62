package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/node/problem"
)

const (
	// placeEach is how often a node looks which addresses it has.
	placeEach = time.Second
	// lookUpTime bounds the look-up of names that are advertised.
	lookUpTime = 3 * time.Second
)

// self is this node's entry of the roster by what it knows of itself. It may change
// while the node runs, and is not to be changed by who reads it.
func (n *Node) self() *configpb.Node { return n.entry.Load() }

// findPlace finds out at the start where this node is.
func (n *Node) findPlace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	here, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	self, err := n.placeAmong(ctx, here, n.machine.View().Node(n.id.ID))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	self.FeatureLevel = fsm.Program().Announced()
	n.entry.Store(self)
	n.forgetTold()
	return nil
}

// placeAmong is this node's entry when its machine has those addresses, and was known
// by the others as that.
func (n *Node) placeAmong(ctx context.Context, here []net.Addr, known *configpb.Node) (*configpb.Node, error) {
	self, err := n.cfg.self(ctx, n.id.ID, known)
	if err == nil {
		n.cfg.keepAddresses(self, known, here)
	}
	return self, err
}

// keepPlace notices when this machine gets other addresses, or the names that are
// advertised do, and has the node found there. What is bound to one address stays so.
func (n *Node) keepPlace(ctx context.Context) error {
	tick := beat.New(placeEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tick.Again()
		}
		here, err := net.InterfaceAddrs()
		if err != nil {
			continue // the next look may tell
		}
		n.here.Store(&here)
		limited, cancel := context.WithTimeout(ctx, lookUpTime)
		self, err := n.placeAmong(limited, here, n.self())
		cancel()
		if err == nil && !retreats(n.self(), self) && !slices.Equal(addressesOf(self), addressesOf(n.self())) {
			n.moveTo(self)
		}
	}
}

// retreats tells whether a node that others reached would be at its loopback alone: its
// machine has no address for a moment.
func retreats(from, to *configpb.Node) bool {
	before, after := addressesOf(from), addressesOf(to)
	for i := range before {
		was, err1 := netip.ParseAddrPort(before[i])
		is, err2 := netip.ParseAddrPort(after[i])
		if err1 == nil && err2 == nil && is.Addr().IsLoopback() && !was.Addr().IsLoopback() {
			return true
		}
	}
	return false
}

// moveTo has everybody find this node at other addresses from now on.
func (n *Node) moveTo(self *configpb.Node) {
	before := n.self()
	moved := proto.CloneOf(before)
	moved.SipAddr, moved.DefaultAddr, moved.TcAddr, moved.HttpAddr = self.GetSipAddr(), self.GetDefaultAddr(), self.GetTcAddr(), self.GetHttpAddr()
	moved.ClusterAddr, moved.GossipAddr = self.GetClusterAddr(), self.GetGossipAddr()
	n.log.Warn("this node has other addresses now", "before", strings.Join(addressesOf(before), " "), "now", strings.Join(addressesOf(moved), " "))
	n.entry.Store(moved)
	n.forgetTold()
	n.sip.Advertise(moved.GetSipAddr())
	n.gossip.Move(moved.GetGossipAddr(), moved.GetClusterAddr())
	n.group.Moved()
	n.told.Send()
}

// unbound are the addresses that this node was told to bind and that its machine does
// not have any more: nobody reaches it there.
func (c *Config) unbound(here []net.Addr, report func(problem.Problem)) {
	seen := map[netip.Addr]bool{}
	for _, a := range append(c.addrs(), c.optionalAddrs()...) {
		at, err := netip.ParseAddrPort(*a.addr)
		if ip := at.Addr(); err == nil && !ip.IsUnspecified() && !ip.IsLoopback() && !seen[ip] && !has(here, ip) {
			seen[ip] = true
			report(problem.Problem{
				Code: "address-gone", Subject: ip.String(), Text: "this node is bound to " + ip.String() + ", which this machine does not have any more",
				Advice: "give it back, or start the node with another --bind, or with none to be reached at whatever address the machine has",
			})
		}
	}
}

// has tells whether an address is one of a machine's.
func has(here []net.Addr, ip netip.Addr) bool {
	return slices.ContainsFunc(here, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr() == ip
	})
}
