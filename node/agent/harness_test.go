package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// twoNodes has the nodes a and b (named n-a, n-b), the pstn DNs 1000 to 1009,
// 1100 where an agent must be ready, and the routing point 9000.
func twoNodes(t testing.TB, more ...*configpb.Mutation) *fsm.View {
	t.Helper()
	put := func(d *configpb.DN) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
	}
	all := []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales", LoginRequired: true}}},
		put(&configpb.DN{Number: "1100", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15550001100", Groups: []string{"sales"}}),
		put(&configpb.DN{Number: "1200", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15550001200", Disabled: true}),
		put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}),
	}
	for _, id := range []string{"a", "b"} {
		all = append(all, &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: id, Name: "n-" + id, ClusterAddr: id + ":7002"}}})
	}
	for i := range 10 {
		all = append(all, put(&configpb.DN{Number: fmt.Sprint(1000 + i), Kind: configpb.DNKind_DN_KIND_PSTN, External: fmt.Sprint("+1555000", 1000+i)}))
	}
	v, err := fsm.Empty().With(append(all, more...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func collectFor(ms uint32) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{ReservationCollectMs: ms}}}
}

// node is one as far as its agents go: a table, the Registry on it and its
// server on a connection in memory.
type node struct {
	id     dn.Node
	table  *dn.Table
	agents *Registry
	view   *fsm.View
	dir    string
	log    *logLines
	ln     *bufconn.Listener
	// dials is how other nodes are reached.
	dials map[dn.Node]func() (grpc.ClientConnInterface, error)
	// before is called before a request of another node is served.
	before atomic.Pointer[func(context.Context)]
	stop   func()
	// inCalls are the DNs with a call.
	inCalls sync.Map
	// late holds back what other nodes say.
	late sync.Mutex
}

var incarnations atomic.Uint64

func openNode(t testing.TB, id dn.Node, dir string, view *fsm.View) *node {
	t.Helper()
	leftover.Check(t)
	k := &node{
		id: id, view: view, dir: dir, log: &logLines{}, dials: map[dn.Node]func() (grpc.ClientConnInterface, error){},
	}
	k.table = dn.New(dn.Config{Self: id, Incarnation: incarnations.Add(1), Busy: func(n dn.Number) bool { _, ok := k.inCalls.Load(n); return ok },
		Takes: func(n dn.Number) int { return k.view.DN(string(n)).TakesCalls() }})
	agents, err := Open(Config{
		Table: k.table, View: func() *fsm.View { return k.view }, Dir: dir, Log: slog.New(slog.NewTextHandler(k.log, nil)),
		Dial: func(id dn.Node) (grpc.ClientConnInterface, error) { return k.dials[id]() },
	})
	if err != nil {
		t.Fatal(err)
	}
	k.agents, k.stop = agents, func() {}
	t.Cleanup(func() { k.end(t) })
	return k
}

// run starts the registry.
func (k *node) run(t testing.TB) *node {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.agents.Run(ctx) })
	k.stop = func() { cancel(); patience.Done(t, "the end of a registry", wg.Wait) }
	return k
}

// end stops the registry in good order.
func (k *node) end(t testing.TB) {
	t.Helper()
	k.stop()
	if err := k.agents.Close(); err != nil {
		t.Error(err)
	}
	leftover.AtOnce(t, leftover.But(k.agents, "reservations", "reservations_wanted"))
}

func newNode(t testing.TB, id dn.Node, view *fsm.View) *node {
	t.Helper()
	return openNode(t, id, t.TempDir(), view).run(t)
}

// serve opens the way to the node for another one.
func (k *node) serve(t *testing.T, other *node) {
	t.Helper()
	k.ln = bufconn.Listen(1 << 16)
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if f := k.before.Load(); f != nil {
			(*f)(ctx)
		}
		return next(ctx, req)
	}))
	peerpb.RegisterAgentsServer(s, k.agents.Server())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(k.ln) })
	conn, err := grpc.NewClient("passthrough:///"+string(k.id), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return k.ln.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	other.dials[k.id] = func() (grpc.ClientConnInterface, error) { return conn, nil }
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
		patience.Done(t, "the end of a server", wg.Wait)
	})
}

// follow has the node hear another one, until cut is called or the test ends.
func (k *node) follow(t *testing.T, publisher *node) (cut func()) {
	t.Helper()
	c, err := k.table.Sync(publisher.id, publisher.table.Incarnation(), false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := publisher.table.Follow(feed.Position{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			items, err := s.Next(ctx, nil)
			if err != nil {
				return
			}
			k.copyItems(c, publisher.id, items)
		}
	})
	cut = func() {
		cancel()
		patience.Done(t, "the end of the link", wg.Wait)
		c.Close()
		k.table.SetHeard(publisher.id, false)
	}
	t.Cleanup(cut)
	waitFor(t, "the link", func() bool { return k.table.Heard(publisher.id) })
	return cut
}

func (k *node) copyItems(c *dn.Copy, from dn.Node, items []dn.Item) {
	k.late.Lock()
	defer k.late.Unlock()
	for _, it := range items {
		switch it.Kind {
		case feed.Row, feed.Change:
			_, _ = c.Apply([]dn.Record{it.Record}, it.Seq)
		case feed.EndOfSnapshot:
			_ = c.Synced(it.Seq)
			k.table.SetHeard(from, true)
		}
	}
}

// pair is two nodes that hear and reach each other.
func pair(t *testing.T, view *fsm.View) (a, b *node) {
	t.Helper()
	a, b = newNode(t, "a", view), newNode(t, "b", view)
	a.serve(t, b)
	b.serve(t, a)
	a.follow(t, b)
	b.follow(t, a)
	return a, b
}

// sees waits until the node's table says who keeps a DN.
func (k *node) sees(t *testing.T, n dn.Number, keeper dn.Node) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%s sees %s at %s", k.id, n, keeper), func() bool {
		s, _ := k.table.Get(n)
		return s.Keeper == keeper
	})
}

// does is a change that has to succeed.
func (k *node) does(t *testing.T, n dn.Number, c Change) Done {
	t.Helper()
	done, err := k.agents.SetAgent(t.Context(), n, c)
	if err != nil {
		t.Fatalf("%v at %s: %v", c.Request, n, err)
	}
	return done
}

// waitFor polls until the condition holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	patience.Until(t, what, cond)
}

// logLines keeps what was logged.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(l.lines), func(s string) bool { return !strings.Contains(s, part) }))
}
