package consensus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// testElection is that of tests in which a leader dies: as long as a machine needs
	// that does other work.
	testElection = time.Second
	// compareEach is Config.CompareEvery.
	compareEach = 300 * time.Millisecond
)

// cluster is a group of real nodes over loopback TCP, whose links can be cut.
type cluster struct {
	t     testing.TB
	nodes []*member

	mu  sync.Mutex
	cut map[[2]string]bool // by cluster address
}

// member is one node: a gRPC port that is its cluster_addr and a raft port beside it.
type member struct {
	c       *cluster
	self    *configpb.Node
	dir     string
	machine *fsm.Machine
	group   *Group
	rpc     *grpc.Server
	stop    context.CancelFunc
	done    chan struct{}
	// election is Config.Election; 0 means testElection.
	election      time.Duration
	member        bool   // Config.Member
	clusterID     string // as it was when it was killed
	snapshotAfter uint64
	// news is Config.news.
	news time.Duration
	// features is fsm.Config.Features; nil: this program's.
	features *fsm.Features
	// clients is Config.Clients.
	clients Clients
	// reach is Config.Reach.
	reach func(ctx context.Context, node *configpb.Node) error

	mu    sync.Mutex
	conns map[net.Conn]string // raft connections made here, by peer
}

// raftPort finds a node's raft listener by its cluster address: what the
// multiplexer of the cluster port does in the program.
var raftPort sync.Map

// neverAnswered is who waits for what Raft had under way when it was shut down
// or its storage failed: it answers none of that.
const neverAnswered = "raft.(*deferError).Error("

func newCluster(t testing.TB) *cluster {
	t.Helper()
	leftover.Check(t, neverAnswered)
	c := &cluster{t: t, cut: map[[2]string]bool{}}
	t.Cleanup(func() {
		for _, m := range c.nodes {
			m.kill()
		}
	})
	return c
}

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var loopbacks atomic.Uint32

// ownLoopback is an address of loopback that no other test listens at: a port of
// it that was free stays so.
func ownLoopback() string {
	pid, n := os.Getpid(), loopbacks.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 100+pid/250%100, 1+pid%250, 1+n%250)
}

// patient is add of a node that elects nobody by itself: who leads goes on, however busy
// the machine is.
func (c *cluster) patient(name string) *member {
	c.t.Helper()
	m := c.add(name)
	m.election = patientElection
	return m
}

// add makes a node that is not started.
func (c *cluster) add(name string) *member {
	c.t.Helper()
	l := listen(c.t, ownLoopback()+":0")
	m := &member{
		c: c, dir: c.t.TempDir(), conns: map[net.Conn]string{},
		self: &configpb.Node{Id: "id-" + name, Name: name, Site: "dc-" + name, ClusterAddr: l.Addr().String(), FeatureLevel: fsm.Program().Announced()},
	}
	_ = l.Close()
	c.nodes = append(c.nodes, m)
	return m
}

// start opens the node's stores and serves.
func (m *member) start(clusterID string) {
	t := m.c.t
	t.Helper()
	raftListener, rpcListener := listen(t, "127.0.0.1:0"), listen(t, m.self.ClusterAddr)
	raftPort.Store(m.self.ClusterAddr, raftListener.Addr().String())
	var err error
	if m.machine, err = fsm.Open(fsm.Config{Path: filepath.Join(m.dir, "config.db"), Features: m.features}); err != nil {
		t.Fatal(err)
	}
	m.self = proto.CloneOf(m.self)
	m.self.FeatureLevel = m.machine.Features().Announced()
	m.group, err = Open(Config{
		Dir: filepath.Join(m.dir, "raft"), Self: m.self, ClusterID: clusterID, Member: m.member, Machine: m.machine,
		Listener: raftListener, Dial: m.dialRaft, DialGRPC: m.dialGRPC, Election: cmp.Or(m.election, testElection), SnapshotAfter: m.snapshotAfter, news: m.news, CompareEvery: compareEach, Clients: m.clients, Reach: m.reach, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.rpc = grpc.NewServer()
	m.group.Register(m.rpc)
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.done = stop, make(chan struct{})
	go func() { _ = m.rpc.Serve(rpcListener) }()
	go func() {
		defer close(m.done)
		if err := m.group.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
}

// returns starts a node that belonged to the cluster before.
func (m *member) returns() {
	m.c.t.Helper()
	m.member = true
	m.start(m.clusterID)
}

// kill stops the node; its data stays.
func (m *member) kill() {
	if m.group == nil {
		return
	}
	m.rpc.Stop()
	m.stop()
	patience.Receive(m.c.t, "the end of the member", m.done)
	m.clusterID = m.group.ClusterID()
	if err := m.group.Close(); err != nil {
		m.c.t.Error(err)
	}
	if left := m.group.asked.Load(); left > 0 && m.group.Err() == nil {
		m.c.t.Errorf("%s was closed while Raft had not answered %d times", m.self.Name, left)
	}
	if err := m.machine.Close(); err != nil {
		m.c.t.Error(err)
	}
	m.group = nil
}

func (m *member) join(via ...*member) (*peerpb.JoinResponse, error) {
	var addrs []string
	for _, v := range via {
		addrs = append(addrs, v.self.ClusterAddr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience.Limit)
	defer cancel()
	return Join(ctx, addrs, m.self, m.dialGRPC)
}

var errCut = errors.New("cut")

func (c *cluster) isCut(a, b string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut[[2]string{a, b}] || c.cut[[2]string{b, a}]
}

// isolate cuts the node from all others: new connections and those that stand.
func (c *cluster) isolate(m *member) {
	for _, o := range c.nodes {
		if o == m {
			continue
		}
		c.mu.Lock()
		c.cut[[2]string{m.self.ClusterAddr, o.self.ClusterAddr}] = true
		c.mu.Unlock()
		m.drop(o.self.ClusterAddr)
		o.drop(m.self.ClusterAddr)
	}
}

func (c *cluster) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.cut)
}

func (m *member) drop(peer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for conn, p := range m.conns {
		if p == peer {
			_ = conn.Close()
			delete(m.conns, conn)
		}
	}
}

func (m *member) dial(ctx context.Context, peer, addr string) (net.Conn, error) {
	if m.c.isCut(m.self.ClusterAddr, peer) {
		return nil, errCut
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c.isCut(m.self.ClusterAddr, peer) { // cut while it was being made
		_ = conn.Close()
		return nil, errCut
	}
	m.conns[conn] = peer
	return conn, nil
}

func (m *member) dialRaft(ctx context.Context, _, addr string) (net.Conn, error) {
	port, ok := raftPort.Load(addr)
	if !ok {
		return nil, errors.New("no such node")
	}
	return m.dial(ctx, addr, port.(string))
}

func (m *member) dialGRPC(_, addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.3, MaxDelay: 300 * time.Millisecond}}),
		grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) { return m.dial(ctx, a, a) }))
}

// three returns a running cluster of three voters, each of whom knows that: a
// leader that is cut off before leaves no majority behind.
func three(t testing.TB) (*cluster, [3]*member) {
	t.Helper()
	return threeOf(t, nil)
}

// steady is three whose leader stays one, however busy the machine is.
func steady(t testing.TB) (*cluster, [3]*member) {
	t.Helper()
	return threeOf(t, func(m *member) { m.election = patientElection })
}

// threeOf is three, of members that were changed before they start.
func threeOf(t testing.TB, change func(*member)) (*cluster, [3]*member) {
	t.Helper()
	c := newCluster(t)
	a, b, d := c.add("a"), c.add("b"), c.add("c")
	for _, m := range c.nodes {
		if change != nil {
			change(m)
		}
	}
	a.bootstrap()
	for _, m := range []*member{b, d} {
		m.startJoined(a)
	}
	c.waitFor("three voters", func() bool { return a.voters() == 3 && b.voters() == 3 && d.voters() == 3 })
	return c, [3]*member{a, b, d}
}

func (m *member) bootstrap() {
	m.c.t.Helper()
	m.start("")
	ctx, cancel := context.WithTimeout(context.Background(), patience.Limit)
	defer cancel()
	if err := m.group.Bootstrap(ctx, "example.com"); err != nil {
		m.c.t.Fatal(err)
	}
}

func (m *member) startJoined(via *member) {
	m.c.t.Helper()
	r, err := m.join(via)
	if err != nil {
		m.c.t.Fatal(err)
	}
	m.start(r.GetClusterId())
}

// voters is the number of voters that this node knows of.
func (m *member) voters() int {
	f, n := m.group.raft.GetConfiguration(), 0
	if f.Error() != nil {
		return 0
	}
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == 0 {
			n++
		}
	}
	return n
}

// waitFor polls until the condition holds.
func (c *cluster) waitFor(what string, ok func() bool) {
	c.t.Helper()
	deadline, tick := time.NewTimer(patience.Limit), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			c.t.Fatalf("no %s within %v", what, patience.Limit)
		}
	}
}

// leader waits until all of these nodes agree on a leader among them.
func (c *cluster) leader(among ...*member) *member {
	c.t.Helper()
	var leader *member
	c.waitFor("leader", func() bool {
		leader = nil
		for _, m := range among {
			if m.group.Status().State == "leader" {
				leader = m
			}
		}
		for _, m := range among {
			if leader == nil || m.group.Status().Leader != leader.self.Id {
				return false
			}
		}
		return true
	})
	return leader
}

// lead has a member lead.
func (c *cluster) lead(m *member, among ...*member) {
	c.t.Helper()
	c.waitFor(m.self.Name+" leads", func() bool {
		l := c.leader(among...)
		if l != m {
			_ = l.group.raft.LeadershipTransferToServer(raft.ServerID(m.self.Id), raft.ServerAddress(m.self.ClusterAddr)).Error()
		}
		return l == m
	})
}

func followers(of *member, among ...*member) (rest []*member) {
	for _, m := range among {
		if m != of {
			rest = append(rest, m)
		}
	}
	return rest
}

func phone(number string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
		Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef",
	}}}
}

// put proposes mutations that may be made twice, again and again while elections and a
// slow machine leave open what became of them.
func (m *member) put(ms ...*configpb.Mutation) (err error) {
	patience.Within(patience.Limit, func() bool {
		_, err = m.group.Propose(context.Background(), proposal(ms...))
		return !errors.Is(err, ErrNoQuorum) && !errors.Is(err, ErrUnknownOutcome)
	})
	return err
}

// write proposes one DN; the test fails when it isn't acknowledged.
func (m *member) write(number int) {
	m.c.t.Helper()
	if err := m.put(phone(fmt.Sprint(number))); err != nil {
		m.c.t.Fatalf("writing at %s: %v", m.self.Name, err)
	}
}

// equal waits until the nodes have the same index and digest.
func (c *cluster) equal(nodes ...*member) {
	c.t.Helper()
	c.waitFor("equal state", func() bool {
		for _, m := range nodes[1:] {
			if m.machine.View().Index() != nodes[0].machine.View().Index() || m.machine.Digest() != nodes[0].machine.Digest() {
				return false
			}
		}
		return true
	})
}

// pipe returns a connection that yields in and then ends.
func pipe(t testing.TB, in []byte) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.Write(in)
		_ = b.Close()
	}()
	t.Cleanup(func() {
		_ = a.Close()
		patience.Receive(t, "the end of the group's reader", done)
	})
	return a
}
