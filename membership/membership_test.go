package membership

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// member runs a Gossip and keeps what it tells.
type testMember struct {
	*Gossip
	addr string
	cut  atomic.Bool
	stop func()

	mu   sync.Mutex
	seen map[NodeID]Member
}

var loopbacks atomic.Uint32

// freeAddr is an address of loopback that nobody listens at, nor will: its IP is
// that of no other test.
func freeAddr(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	ip := fmt.Sprintf("127.%d.%d.%d", 100+pid/250%100, 1+pid%250, 1+loopbacks.Add(1)%250)
	for range 20 {
		l, err := net.Listen("tcp", ip+":0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		u, err := net.ListenPacket("udp", addr)
		_ = l.Close()
		if err == nil {
			_ = u.Close()
			return addr
		}
	}
	t.Fatal("no port is free for udp and tcp")
	return ""
}

func start(t *testing.T, id NodeID, incarnation uint64, change func(*Config)) *testMember {
	t.Helper()
	leftover.Check(t)
	m := &testMember{addr: freeAddr(t), seen: map[NodeID]Member{}}
	cfg := Config{
		ID: id, Bind: m.addr, Cluster: "c1", Incarnation: incarnation, ClusterAddr: "host:" + string(id),
		Allow: func(string) bool { return !m.cut.Load() }, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
		m.addr = cfg.Bind
	}
	var err error
	if m.Gossip, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.Run(ctx) })
	wg.Go(func() { m.listen(ctx) })
	m.stop = sync.OnceFunc(func() { cancel(); patience.Done(t, "the end of the member", wg.Wait) })
	t.Cleanup(m.stop)
	return m
}

func (m *testMember) listen(ctx context.Context) {
	for {
		changed, err := m.Next(ctx)
		if err != nil {
			return
		}
		m.mu.Lock()
		for _, c := range changed {
			m.seen[c.ID] = c
		}
		m.mu.Unlock()
	}
}

func (m *testMember) sees(id NodeID) Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[id]
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	patience.Until(t, what, cond)
}

func meet(members ...*testMember) {
	peers := map[NodeID]string{}
	for _, m := range members {
		peers[m.cfg.ID] = m.addr
	}
	for _, m := range members {
		m.SetPeers(peers)
	}
}

func TestGossip_TellsWhoIsThereAndHow(t *testing.T) {
	a, b := start(t, "a", 7, nil), start(t, "b", 8, nil)
	meet(a, b)
	want := Member{ID: "b", Alive: true, Incarnation: 8, ClusterAddr: "host:b"}
	await(t, "a sees b", func() bool { return a.sees("b") == want })
	await(t, "b sees a", func() bool { return b.sees("a").Incarnation == 7 })
	if alive, known := a.Alive("b"); !alive || !known {
		t.Errorf("alive %v, known %v", alive, known)
	}
	if _, known := a.Alive("x"); known {
		t.Error("a stranger is known")
	}
}

func TestGossip_CutIsNoticedAndHealsByItself(t *testing.T) {
	a, b := start(t, "a", 1, nil), start(t, "b", 1, nil)
	meet(a, b)
	await(t, "they meet", func() bool { return a.sees("b").Alive && b.sees("a").Alive })
	a.cut.Store(true)
	b.cut.Store(true)
	await(t, "both notice", func() bool { return !a.sees("b").Alive && !b.sees("a").Alive })
	a.cut.Store(false)
	b.cut.Store(false)
	await(t, "both are back", func() bool { return a.sees("b").Alive && b.sees("a").Alive })
}

func TestGossip_LeavingIsTold(t *testing.T) {
	a, b := start(t, "a", 1, nil), start(t, "b", 1, nil)
	meet(a, b)
	await(t, "they meet", func() bool { return a.sees("b").Alive })
	b.stop()
	await(t, "b is gone", func() bool { return !a.sees("b").Alive })
}

func TestGossip_StrangersStayOut(t *testing.T) {
	key := func(b byte) []byte { return []byte(fmt.Sprintf("%032d", b)) }
	a := start(t, "a", 1, func(c *Config) { c.Keys = [][]byte{key(1)} })
	strangers := []*testMember{
		start(t, "x", 1, nil),
		start(t, "y", 1, func(c *Config) { c.Keys = [][]byte{key(2)} }),
		start(t, "z", 1, func(c *Config) { c.Keys, c.Cluster = [][]byte{key(1)}, "c2" }),
	}
	friend := start(t, "f", 1, func(c *Config) { c.Keys = [][]byte{key(1)} })
	meet(append([]*testMember{a, friend}, strangers...)...)
	await(t, "the friend is in", func() bool { return a.sees("f").Alive })
	for _, s := range strangers {
		if a.sees(s.cfg.ID).Alive || s.sees("a").Alive {
			t.Errorf("%s is in", s.cfg.ID)
		}
	}
}

func TestGossip_PortInUseIsAnError(t *testing.T) {
	a := start(t, "a", 1, nil)
	if g, err := New(Config{ID: "b", Bind: a.addr, Cluster: "c1", Log: slog.New(slog.DiscardHandler)}); err == nil {
		_ = g.list.Shutdown()
		t.Error("two on one port")
	}
}

func FuzzParseMeta(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x07host:1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if i, addr := parseMeta(b); len(b) < 8 && (i != 0 || addr != "") {
			t.Errorf("%q gave %d %q", b, i, addr)
		}
	})
}
