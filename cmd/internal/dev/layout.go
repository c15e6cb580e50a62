package dev

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// maxDevNodes is where the HTTP ports, ten a base apart from the rest, would
// meet those of a ninth node.
const maxDevNodes = 8

// devNode is a node of a local cluster: where it listens and what it writes.
type devNode struct {
	Name        string `json:"name"`
	Site        string `json:"site"`
	SIPAddr     string `json:"sip_addr"`
	WSAddr      string `json:"sip_ws_addr"`
	DefaultAddr string `json:"default_addr"`
	TCAddr      string `json:"tc_addr"`
	ClusterAddr string `json:"cluster_addr"`
	GossipAddr  string `json:"gossip_addr"`
	HTTPAddr    string `json:"http_addr"`
	DataDir     string `json:"data_dir"`
	Log         string `json:"log"`
}

// layout gives n nodes of some sites their names and ports, ten apart, from two bases.
func layout(n, sites int, host string, sipPort, basePort int) []devNode {
	at := func(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	nodes := make([]devNode, n)
	for k := range nodes {
		p := basePort + 10*k
		nodes[k] = devNode{
			Name: "sip" + strconv.Itoa(k+1), Site: "dc" + strconv.Itoa(k%sites+1),
			SIPAddr: at(sipPort + 10*k), WSAddr: at(sipPort + 10*k + 6), DefaultAddr: at(p), TCAddr: at(p + 1),
			ClusterAddr: at(p + 2), GossipAddr: at(p + 3), HTTPAddr: at(basePort + 80 + k),
		}
	}
	return nodes
}

// addrs are those that a node listens on.
func (n *devNode) addrs() []string {
	return []string{n.SIPAddr, n.WSAddr, n.DefaultAddr, n.TCAddr, n.ClusterAddr, n.GossipAddr, n.HTTPAddr}
}

// checkPorts tells the first port that two of the nodes would have, or that is taken.
func checkPorts(nodes []devNode) error {
	of := map[string]string{}
	for _, n := range nodes {
		for _, addr := range n.addrs() {
			if other, twice := of[addr]; twice {
				return fmt.Errorf("port %s would be one of node %s and of node %s: choose --base-port and --sip-port farther apart", addr, other, n.Name)
			}
			of[addr] = n.Name
		}
	}
	for _, n := range nodes {
		for _, addr := range n.addrs() {
			if err := checkTCP(addr); err != nil {
				return portError(n, addr, "TCP", err)
			}
		}
		for _, addr := range []string{n.SIPAddr, n.GossipAddr} {
			if err := checkUDP(addr); err != nil {
				return portError(n, addr, "UDP", err)
			}
		}
	}
	return nil
}

func portError(n devNode, addr, network string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s port %s of node %s is in use: stop what uses it (another sipcluster dev?), or choose other ports with --base-port and --sip-port", network, addr, n.Name)
	}
	return fmt.Errorf("%s port of node %s: %w", network, n.Name, err)
}

func checkTCP(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

func checkUDP(addr string) error {
	l, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// freeLayout is a layout on ports that nobody uses, below those that systems
// give to clients. It begins anywhere, so that two that start at a time
// hardly meet.
func freeLayout(n int) ([]devNode, error) {
	const tries = 70
	begin := rand.IntN(tries)
	var err error
	for i := range tries {
		shift := 200 * ((begin + i) % tries)
		nodes := layout(n, n, "127.0.0.1", 15060+shift, 17000+shift)
		if err = checkPorts(nodes); err == nil {
			return nodes, nil
		}
	}
	return nil, err
}

// quoted is an address as a shell takes it for one word: brackets would be a pattern.
func quoted(addr string) string {
	if strings.HasPrefix(addr, "[") {
		return strconv.Quote(addr)
	}
	return addr
}
