package cluster

import (
	"fmt"
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

// freePorts finds ports that are free for both UDP and TCP at this moment.
func freePorts(ip netip.Addr) (ports [kinds]uint16, err error) {
	for k := range ports {
		for range 20 {
			ln, err := net.Listen("tcp4", netip.AddrPortFrom(ip, 0).String())
			if err != nil {
				return ports, err
			}
			// Held until all are found, so that no port is found twice.
			defer func() { _ = ln.Close() }()
			udp, err := net.ListenPacket("udp4", ln.Addr().String())
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
