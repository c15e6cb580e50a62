package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// Kind of a port of a node.
type Kind int

// The ports of a node.
const (
	// SIP is where phones register, over UDP and TCP.
	SIP Kind = iota
	// DefaultPort is the T-Library port of the node's own calls.
	DefaultPort
	// TCPort serves the whole cluster: Stat Servers, the operator.
	TCPort
	// ClusterPort is for nodes: links, joins, Raft.
	ClusterPort
	// GossipPort is for nodes: memberlist, over UDP and TCP.
	GossipPort
	// HTTPPort serves metrics and probes.
	HTTPPort
	kinds
)

var usualPorts = [kinds]uint16{5060, 7000, 7001, 7002, 7003, 7080}

var flagOfKind = [kinds]string{"--sip-addr", "--default-addr", "--tc-addr", "--cluster-addr", "--gossip-addr", "--http-addr"}

// firstPort and manyPorts are where ports are looked for: below those that the
// system gives to outgoing connections, one of which could take a port between
// its choice and its use.
const firstPort, manyPorts = 10_000, 20_000

// freePorts finds ports that are free for both UDP and TCP at this moment.
func freePorts(ip netip.Addr) (ports [kinds]uint16, err error) {
	for k := range ports {
		for range 100 {
			at := netip.AddrPortFrom(ip, uint16(firstPort+rand.IntN(manyPorts))).String()
			ln, err := net.Listen("tcp4", at)
			if err != nil {
				continue
			}
			// Held until all are found, so that no port is found twice.
			defer func() { _ = ln.Close() }()
			udp, err := net.ListenPacket("udp4", at)
			if err != nil {
				continue
			}
			_ = udp.Close()
			ports[k] = ln.Addr().(*net.TCPAddr).AddrPort().Port()
			break
		}
		if ports[k] == 0 {
			return ports, fmt.Errorf("no port of %s is free for both UDP and TCP", ip)
		}
	}
	return ports, nil
}
