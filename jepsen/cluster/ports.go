package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
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

// given are the ports that were found: none is found twice, also while nobody listens there,
// as clusters that run at a time stop and start their nodes.
var given struct {
	sync.Mutex
	ports map[netip.AddrPort]bool
}

// FreePort finds a port of an address that is free for both UDP and TCP at this moment, and
// that this process found for nobody before.
func FreePort(ip netip.Addr) (uint16, error) {
	given.Lock()
	defer given.Unlock()
	for range 100 {
		at := netip.AddrPortFrom(ip, uint16(firstPort+rand.IntN(manyPorts)))
		if given.ports[at] || !free(at.String()) {
			continue
		}
		if given.ports == nil {
			given.ports = map[netip.AddrPort]bool{}
		}
		given.ports[at] = true
		return at.Port(), nil
	}
	return 0, fmt.Errorf("no port of %s is free for both UDP and TCP", ip)
}

// free tells whether nobody listens there.
func free(at string) bool {
	ln, err := net.Listen("tcp4", at)
	if err != nil {
		return false
	}
	defer func() { _ = ln.Close() }()
	udp, err := net.ListenPacket("udp4", at)
	return err == nil && udp.Close() == nil
}

// freePorts finds one for each kind.
func freePorts(ip netip.Addr) (ports [kinds]uint16, err error) {
	for k := range ports {
		if ports[k], err = FreePort(ip); err != nil {
			return ports, err
		}
	}
	return ports, nil
}
