package node

import (
	"net"
	"net/netip"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// keepAddresses has a node that was not told by which address to be found go on by that
// under which the others know it, while this machine has it: an interface that comes
// first since the last boot, of containers or a VPN, is none to be found at.
func (c *Config) keepAddresses(self, known *configpb.Node, here []net.Addr) {
	told := []*string{&self.SipAddr, &self.DefaultAddr, &self.TcAddr, &self.ClusterAddr, &self.GossipAddr, &self.HttpAddr}
	before := addressesOf(known)
	as, _ := c.advertise() // checked at the start
	for i, a := range c.addrs() {
		bound, err1 := netip.ParseAddrPort(*a.addr)
		was, err2 := netip.ParseAddrPort(before[i])
		if err1 != nil || err2 != nil || !bound.Addr().IsUnspecified() || as[a.what] != "" || bound.Addr().Is4() != was.Addr().Is4() {
			continue
		}
		if has(here, was.Addr()) {
			*told[i] = netip.AddrPortFrom(was.Addr(), bound.Port()).String()
		}
	}
}
