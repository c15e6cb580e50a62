package membership

import (
	"net"
	"testing"
	"time"
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
	_ = inVain.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
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
