package membership

import (
	"net"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// A node of the roster that is not there yet is found when it is: the others
// try again, for as long as it takes.
func TestGossip_WhoComesLaterIsFound(t *testing.T) {
	addr := freeAddr(t)
	a := start(t, "a", 1, nil)
	inVain, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	a.SetPeers(map[NodeID]string{"a": a.addr, "b": addr})
	_ = inVain.(*net.TCPListener).SetDeadline(time.Now().Add(patience.Limit))
	tried, err := inVain.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tried.Close(), inVain.Close()
	await(t, "the try has ended", func() bool {
		a.Gossip.mu.Lock()
		defer a.Gossip.mu.Unlock()
		return !a.joining["b"]
	})
	b := start(t, "b", 2, func(c *Config) { c.Bind = addr }) // it is told of nobody
	await(t, "a finds b", func() bool { return a.sees("b").Alive })
	await(t, "b hears of a", func() bool { return b.sees("a").Alive })
}

// What is known of a node is what it said last: also after it was started again,
// elsewhere.
func TestGossip_ANodeThatWasStartedAgainIsKnownAnew(t *testing.T) {
	a, b := start(t, "a", 1, nil), start(t, "b", 2, nil)
	meet(a, b)
	await(t, "a sees b", func() bool { return a.sees("b").Incarnation == 2 })
	b.stop()
	await(t, "a misses b", func() bool { return !a.sees("b").Alive })
	again := start(t, "b", 3, func(c *Config) { c.ClusterAddr = "elsewhere:b" })
	meet(a, again)
	want := Member{ID: "b", Alive: true, Incarnation: 3, ClusterAddr: "elsewhere:b"}
	await(t, "a knows it anew", func() bool { return a.sees("b") == want })
}

// A node that moves while it runs is found at its new address, by the key of before, and
// hears the others as before.
func TestGossip_ANodeThatMovesIsFoundThere(t *testing.T) {
	key := []byte("0123456789abcdef")
	a, b := start(t, "a", 1, func(c *Config) { c.Keys = [][]byte{key} }), start(t, "b", 2, func(c *Config) {
		_, port, err := net.SplitHostPort(c.Bind)
		if err != nil {
			t.Fatal(err)
		}
		c.Keys, c.Advertise, c.Bind = [][]byte{[]byte("another-key-here")}, c.Bind, "0.0.0.0:"+port
	})
	b.SetKeys([][]byte{key})
	_, port, _ := net.SplitHostPort(b.addr)
	old := b.cfg.Advertise
	b.addr = old
	meet(a, b)
	await(t, "they meet", func() bool { return a.sees("b").Alive && b.sees("a").Alive })
	ip, _, _ := net.SplitHostPort(freeAddr(t))
	b.Move(net.JoinHostPort(ip, port), "elsewhere:b")
	want := Member{ID: "b", Alive: true, Incarnation: 2, ClusterAddr: "elsewhere:b"}
	await(t, "a knows where it is", func() bool {
		for _, n := range a.running().Members() {
			if n.Name == "b" && n.Addr.String() == ip {
				return a.sees("b") == want
			}
		}
		return false
	})
	await(t, "b hears a", func() bool { return b.sees("a").Alive && len(b.running().Members()) == 2 })
}
