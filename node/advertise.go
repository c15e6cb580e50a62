package node

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// advertisable are the ports that Advertise may name, as Config.addrs calls them.
var advertisable = map[string]string{"sip": "SIP", "default": "default", "tc": "TCport", "cluster": "cluster", "gossip": "gossip", "http": "HTTP"}

// advertise reads Advertise: HOST:NUMBER of a port by its name in addrs, names as they
// are given. What names a port goes before what is for all.
func (c *Config) advertise() (map[string]string, error) {
	told := map[string]string{}
	all := ""
	for _, entry := range c.Advertise {
		name, host, one := strings.Cut(entry, "=")
		if !one {
			name, host = "", entry
		}
		what := advertisable[name]
		switch {
		case one && what == "":
			return nil, fmt.Errorf("--advertise %.80q: want HOST, or PORT=HOST[:NUMBER] with sip, default, tc, cluster, gossip or http", entry)
		case !one && all != "", one && told[what] != "":
			return nil, fmt.Errorf("--advertise %.80q: that is said twice", entry)
		case !one:
			all = host
			continue
		}
		if err := c.tellAs(told, what, host); err != nil {
			return nil, fmt.Errorf("--advertise %.80q: %w", entry, err)
		}
	}
	for _, a := range c.addrs() {
		if all == "" || told[a.what] != "" {
			continue
		}
		if err := c.tellAs(told, a.what, all); err != nil {
			return nil, fmt.Errorf("--advertise %.80q: %w", all, err)
		}
	}
	return told, nil
}

// tellAs notes HOST[:NUMBER] for a port; without a number it is the port's own. A name
// is not looked up.
func (c *Config) tellAs(told map[string]string, what, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
		for _, a := range c.addrs() {
			if a.what == what {
				_, port, _ = net.SplitHostPort(*a.addr)
			}
		}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && host != "" && !strings.ContainsAny(host, ":%/ \t") {
		ip, err = netip.IPv6Loopback(), nil // it is a name
	}
	if at, err2 := netip.ParseAddrPort(net.JoinHostPort(ip.Unmap().String(), port)); err != nil || err2 != nil || at.Addr().IsUnspecified() || !reachable(at.Addr()) || at.Port() == 0 {
		return fmt.Errorf("%s is no address at which others reach a node", net.JoinHostPort(host, port))
	}
	told[what] = net.JoinHostPort(host, port)
	return nil
}

// lookUp makes an address of HOST:NUMBER.
func lookUp(ctx context.Context, told string) (string, error) {
	host, port, err := net.SplitHostPort(told)
	if err != nil {
		return "", err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return "", fmt.Errorf("--advertise %s: %w", told, err)
		}
		slices.SortStableFunc(found, func(a, b netip.Addr) int { return cmp.Compare(a.Unmap().BitLen(), b.Unmap().BitLen()) }) // IPv4 first
		ip = found[0]
	}
	return net.JoinHostPort(ip.Unmap().String(), port), nil
}

// advertised replaces an address that means all of this machine's by its first.
func advertised(addr string) (string, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsUnspecified() {
		return addr, err
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	loopback := addr
	for _, a := range found {
		ip, err := netip.ParsePrefix(a.String())
		switch {
		case err != nil || ap.Addr().Is4() != ip.Addr().Is4():
		case ip.Addr().IsGlobalUnicast():
			return netip.AddrPortFrom(ip.Addr(), ap.Port()).String(), nil
		case ip.Addr().IsLoopback():
			loopback = netip.AddrPortFrom(ip.Addr(), ap.Port()).String()
		}
	}
	return loopback, nil
}
