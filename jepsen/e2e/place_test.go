package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// Machines get other addresses while their nodes run, as by DHCP: a node that is bound
// to all of them is found at the new one and takes part as before.
func TestPlace_AMachineGetsAnotherAddress(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3, Args: []string{"--bind", "0.0.0.0"}}, true)
	must(t, c.Start(t.Context()))
	one, two, three := c.Node(1), c.Node(2), c.Node(3)
	at3 := phones(t, three, "9071")
	register(t, three, at3...)
	expectSeen(t, starting, inServiceAt(three), at3, c.Nodes()...)

	readdress(t, three, "10.77.0.60")
	eventually(t, starting, "the roster has the new address", rosterHas(one, three, "10.77.0.60"))
	eventually(t, starting, "all hear each other", allHear(c.Nodes()))
	expectSeen(t, starting, inServiceAt(three), at3, one, two)
	two.Kill9() // now a majority needs the one that moved
	eventually(t, starting, "a write that the moved one is needed for", func(ctx context.Context) error {
		return at(ctx, one, "dn", "put", "9072", "--kind", "pstn", "--external", "+15550009072")
	})
}

// All machines get other addresses at the same moment; one of them has a name, which the
// others were told to join and which it advertises. The name's address is looked up
// again and again, by all.
func TestPlace_TheNamesAreWhatStays(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3}, true)
	names := serveNames(t, c)
	names.set("one.test.", c.Node(1).Place().IP().String())
	one := c.Node(1)
	must(t, one.Start(t.Context(), "--bind", "0.0.0.0", "--advertise", "one.test"))
	for _, n := range c.Nodes()[1:] {
		must(t, n.Start(t.Context(), "--bind", "0.0.0.0", "--join", "one.test:7002"))
	}
	eventually(t, starting, "all hear each other", allHear(c.Nodes()))

	names.set("one.test.", "10.77.0.61")
	for i, n := range c.Nodes() {
		readdress(t, n, fmt.Sprintf("10.77.0.%d", 61+i))
	}
	for i, n := range c.Nodes() {
		eventually(t, starting, n.Name()+" is found", rosterHas(c.Node(1), n, fmt.Sprintf("10.77.0.%d", 61+i)))
	}
	eventually(t, starting, "all hear each other", allHear(c.Nodes()))

	must(t, onMachine(t, one, "ip", "addr", "add", "10.77.0.71/24", "dev", "eth0"))
	names.set("one.test.", "10.77.0.71")
	eventually(t, starting, "the name has another address alone", rosterHas(c.Node(2), one, "10.77.0.71"))
	eventually(t, starting, "all hear each other", allHear(c.Nodes()))
}

// onMachine runs a command on a node's machine.
func onMachine(t *testing.T, n *cluster.Node, name string, args ...string) error {
	t.Helper()
	out, err := n.Place().Exec(t.Context(), name, args...)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

// readdress takes the address that a node's machine has and gives it another one.
func readdress(t *testing.T, n *cluster.Node, addr string) {
	t.Helper()
	must(t, onMachine(t, n, "ip", "addr", "del", n.Place().IP().String()+"/24", "dev", "eth0"))
	must(t, onMachine(t, n, "ip", "addr", "add", addr+"/24", "dev", "eth0"))
}

// at runs a command at a node by its machine's loopback, which no change of addresses takes.
func at(ctx context.Context, n *cluster.Node, args ...string) error {
	_, err := answer(ctx, n, args...)
	return err
}

func answer(ctx context.Context, n *cluster.Node, args ...string) (string, error) {
	r, err := n.CLI(ctx, append(args, "--addr", "127.0.0.1:7001")...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s", r.Err)
	}
	return r.Out, err
}

// rosterHas tells whether a node has another one at an address, with all of its ports.
func rosterHas(n, of *cluster.Node, addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := answer(ctx, n, "node", "list", "-o", "json")
		if err != nil {
			return err
		}
		var nodes []map[string]any
		if err := json.Unmarshal([]byte(out), &nodes); err != nil {
			return err
		}
		for _, e := range nodes {
			if e["name"] == of.Name() {
				for _, port := range []string{"sip_addr", "tc_addr", "cluster_addr", "gossip_addr"} {
					if host, _, _ := net.SplitHostPort(fmt.Sprint(e[port])); host != addr {
						return fmt.Errorf("%s of %s is %v", port, of.Name(), e[port])
					}
				}
				return nil
			}
		}
		return fmt.Errorf("%s is not there", of.Name())
	}
}

// allHear tells whether every node hears and gossips with all others.
func allHear(nodes []*cluster.Node) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, n := range nodes {
			out, err := answer(ctx, n, "status", "-o", "json")
			if err != nil {
				return err
			}
			var s struct {
				Raft  struct{ Quorum bool }
				Peers []struct {
					Node      string
					Reachable bool
				}
			}
			if err := json.Unmarshal([]byte(out), &s); err != nil {
				return err
			}
			if !s.Raft.Quorum || len(s.Peers) != len(nodes)-1 {
				return fmt.Errorf("%s: %s", n.Name(), out)
			}
			for _, p := range s.Peers {
				if !p.Reachable {
					return fmt.Errorf("%s does not hear %s", n.Name(), p.Node)
				}
			}
		}
		return nil
	}
}

// nameServer answers for the names that it was given, on a machine of the test network.
type nameServer struct {
	mu    sync.Mutex
	names map[string]string
}

func (s *nameServer) set(name, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = addr
}

// serveNames has all nodes ask a name server of the test's own.
func serveNames(t *testing.T, c *cluster.Cluster) *nameServer {
	t.Helper()
	s := &nameServer{names: map[string]string{}}
	conn, err := c.Visitor().ListenPacket(t.Context(), 53)
	must(t, err)
	ended := make(chan struct{})
	go func() { defer close(ended); s.serve(conn) }()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	file := filepath.Join(t.TempDir(), "resolv.conf")
	must(t, os.WriteFile(file, []byte("nameserver "+c.Visitor().IP().String()+"\noptions timeout:1 attempts:2\n"), 0o644))
	for _, n := range c.Nodes() {
		must(t, onMachine(t, n, "mount", "--bind", file, "/etc/resolv.conf"))
	}
	return s
}

func (s *nameServer) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if b := s.answer(buf[:n]); b != nil {
			_, _ = conn.WriteTo(b, from)
		}
	}
}

// answer has the address of a name that is known and asked for, no time to keep it.
func (s *nameServer) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	s.mu.Lock()
	addr, known := s.names[q.Name.String()]
	s.mu.Unlock()
	m.Response, m.Additionals = true, nil
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	} else if q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()}}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
