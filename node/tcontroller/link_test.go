package tcontroller

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// site is a node's layer alone: a table, its publisher's side on a real port and,
// once follow is called, the links to the others.
type site struct {
	id        dn.Node
	table     *dn.Table
	calls     *call.Table
	addr      string
	server    *grpc.Server
	publisher *Server
	mesh      *Mesh
	// strangers are not on the roster, as of index 9; all others are.
	mu        sync.Mutex
	strangers map[dn.Node]bool
	refusals  []uint64
	// begins are what the site said of how its links begin; ended counts those that did.
	begins []string
	ended  int
	// told is how many records it has sent.
	told int
}

func (s *site) roster(id dn.Node) (bool, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.strangers[id], 9
}

func (s *site) refused(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, index)
}

func newSite(t testing.TB, id dn.Node, incarnation uint64, addr string) *site {
	t.Helper()
	return newSiteOf(t, id, incarnation, addr, 0)
}

// newSiteOf is newSite whose tables remember so many changes.
func newSiteOf(t testing.TB, id dn.Node, incarnation uint64, addr string, history int) *site {
	t.Helper()
	leftover.Check(t)
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{id: id, table: dn.New(dn.Config{Self: id, Incarnation: incarnation, History: history}), addr: ln.Addr().String()}
	s.server = grpc.NewServer(grpc.Creds(Credentials()), grpc.StreamInterceptor(s.noteBegins))
	s.calls = call.New(call.Config{Self: id, Incarnation: incarnation, History: history})
	s.publisher = newPublisher(s.table, s.calls, s.roster)
	peerpb.RegisterTControllerServer(s.server, s.publisher)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.server.Serve(ln) })
	t.Cleanup(func() {
		s.server.Stop()
		patience.Done(t, "the end of a server", wg.Wait)
		// A link's goroutines end with its stream, soon after the server.
		leftover.None(t, patience.Limit, s.publisher, leftover.But(s.table, "dn_drops_untold"), leftover.But(s.calls, "calls_own", "calls_known", "calls_up"))
	})
	return s
}

func (s *site) follow(t testing.TB, peers ...*site) {
	t.Helper()
	s.followVia(t, dialTCP, peers...)
}

func (s *site) followVia(t testing.TB, dial func(context.Context, dn.Node, string) (net.Conn, error), peers ...*site) {
	t.Helper()
	s.mesh = NewMesh(Config{ClusterID: "c1", Table: s.table, Calls: s.calls, Dial: dial, Rejoin: func(dn.Node) {}, Refused: s.refused, Log: slog.New(slog.DiscardHandler)})
	s.mesh.SetPeers(peersOf(peers...))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.mesh.Run(ctx) })
	t.Cleanup(func() { cancel(); patience.Done(t, "the end of the mesh", wg.Wait) })
}

func peersOf(sites ...*site) (out []Peer) {
	for _, p := range sites {
		out = append(out, Peer{ID: p.id, Name: string(p.id), Addr: p.addr})
	}
	return out
}

func dialTCP(ctx context.Context, _ dn.Node, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

// newPublisher is the publisher's side of a node of cluster c1 that has applied up to 17.
func newPublisher(table *dn.Table, calls *call.Table, roster func(dn.Node) (bool, uint64)) *Server {
	return NewServer(ServerConfig{ClusterID: "c1", Table: table, Calls: calls, Roster: roster, Applied: func() uint64 { return 17 }, Log: slog.New(slog.DiscardHandler)})
}

// await polls until the condition holds.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	patience.Until(t, what, cond)
}

func state(s *site, n dn.Number) string {
	v, _ := s.table.Get(n)
	return fmt.Sprintf("%v %s", v.State, v.Owner)
}

func TestLink_PeersSeeWhatThePublisherHas(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	for i := range 3000 {
		a.table.Register(dn.Number(fmt.Sprint(1000+i)), dn.Registered)
	}
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 3000 })
	r := a.table.Register("77", dn.Registered)
	await(t, "a change", func() bool { return state(b, "77") == "InSrv a" })
	a.table.End("77", r.ClaimTime, dn.Unregistered)
	await(t, "its end", func() bool { return state(b, "77") == "OOS " })
}

func TestLink_KilledPublisherIsLostAndComesBack(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.table.Register("1", dn.Registered)
	a.table.Register("2", dn.Registered)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 2 })
	a.server.Stop()
	await(t, "the loss", func() bool { return state(b, "1") == "OOS a" })
	// A busy machine may see the silence first: which reason it is TestFollower_LosesAPeer has.
	await(t, "why, which is told a moment later", func() bool {
		s := b.mesh.Status()[0]
		return !s.Heard && slices.Contains([]string{"process died", "link cut", "hung"}, s.Reason)
	})
	// It restarts, and has lost one of the two.
	again := newSite(t, "a", 2, a.addr)
	again.table.Register("1", dn.Registered)
	await(t, "the return", func() bool { return state(b, "1") == "InSrv a" })
	if got := state(b, "2"); got != "OOS " {
		t.Errorf("what the new incarnation does not mention is %s", got)
	}
}

func TestLink_GoodbyeIsALossAtOnce(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.table.Register("1", dn.Registered)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 1 })
	a.publisher.Stop()
	await(t, "the loss", func() bool { return b.mesh.Status()[0].Reason == "left" })
	if got := state(b, "1"); got != "OOS a" {
		t.Error(got)
	}
}

func TestLink_RemovedPeerIsForgotten(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.table.Register("1", dn.Registered)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 1 })
	b.mesh.SetPeers(nil)
	await(t, "the end", func() bool { return b.table.Counts().Known == 0 })
}

func TestLink_NodeOffTheRosterMayNotFollow(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.strangers = map[dn.Node]bool{"b": true}
	a.table.Register("1", dn.Registered)
	b.follow(t, a)
	await(t, "the refusal", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.refusals) > 0 && b.refusals[0] == 9
	})
	if b.table.Counts().Known != 0 {
		t.Error("it was told of a DN")
	}
}

func TestLink_OlderIncarnationIsNotHeardOnceANewerWasSeen(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.table.Register("1", dn.Registered)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 1 })
	b.mesh.Gossip("a", true, 2, "")
	await(t, "the loss", func() bool { return state(b, "1") == "OOS a" && !b.mesh.Status()[0].Heard })
}

func TestServer_RefusesStrangers(t *testing.T) {
	a := newSite(t, "a", 1, "127.0.0.1:0")
	cc, err := grpc.NewClient("passthrough:///"+a.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	for name, tc := range map[string]struct {
		first *peerpb.FollowRequest
		want  codes.Code
	}{
		"another cluster": {&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{ClusterId: "c2", Publisher: "a"}}}, codes.PermissionDenied},
		"another node":    {&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{ClusterId: "c1", Publisher: "b"}}}, codes.PermissionDenied},
		"no hello":        {&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Ping{Ping: &peerpb.Ping{}}}, codes.InvalidArgument},
		"nothing":         {&peerpb.FollowRequest{}, codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
			defer cancel()
			stream, err := peerpb.NewTControllerClient(cc).Follow(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(tc.first); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); status.Code(err) != tc.want {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// A peer can say what it likes about others' DNs: the record carries no owner.
// What it says with an absurd claim is counted and changes nothing.
func TestRecords_AbsurdClaimsAreCounted(t *testing.T) {
	table := dn.New(dn.Config{Self: "b", Incarnation: 1})
	c, err := table.Sync("a", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var batch []dn.Record
	for _, p := range []*peerpb.Record{
		{Dn: "1", ClaimTime: time.Date(2230, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), State: tcpb.DNState_DN_STATE_IN_SRV},
		{Dn: "2", ClaimTime: -1, State: tcpb.DNState_DN_STATE_IN_SRV},
		{Dn: "not a number", ClaimTime: now.UnixNano(), State: tcpb.DNState_DN_STATE_IN_SRV},
		{Dn: "3", ClaimTime: now.UnixNano(), State: 77},
		{Dn: "4", ClaimTime: now.UnixNano(), State: tcpb.DNState_DN_STATE_IN_SRV, Reason: 1000},
		{Dn: "5", ClaimTime: now.UnixNano(), State: tcpb.DNState_DN_STATE_IN_SRV, Reason: -1},
	} {
		batch = append(batch, fromProto(p))
	}
	rejected, err := c.Apply(batch, 0)
	if err != nil || rejected != len(batch) || table.Rejected() != uint64(len(batch)) || table.Counts().Known != 0 {
		t.Errorf("rejected %d of %d (%v), counted %d, known %d", rejected, len(batch), err, table.Rejected(), table.Counts().Known)
	}
}

// A link that breaks and comes back carries only what changed meanwhile, and
// the peer counts again only after that.
func TestLink_ResumesAfterABreak(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	claims := map[dn.Number]int64{}
	for i := range 100 {
		n := dn.Number(fmt.Sprint(1000 + i))
		claims[n] = a.table.Register(n, dn.Registered).ClaimTime
	}
	var cut switchable
	b.followVia(t, cut.dial, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 100 })
	watch := b.table.Watch(feed.Position{})
	readWatch(t, watch)
	cut.set(true)
	await(t, "the loss", func() bool { return b.table.Counts().InSrv == 0 })
	a.table.End("1000", claims["1000"], dn.Unregistered)
	a.table.Register("2000", dn.Registered)
	cut.set(false)
	await(t, "the return", func() bool { return b.table.Counts().InSrv == 100 })
	if state(b, "1000") != "OOS " || state(b, "2000") != "InSrv a" {
		t.Errorf("1000 is %s, 2000 is %s", state(b, "1000"), state(b, "2000"))
	}
	for _, s := range readWatch(t, watch) {
		if s.Number == "1000" && s.State == dn.InSrv {
			t.Errorf("1000 came back for a moment: %+v", s)
		}
	}
}

// readWatch reads what is there now.
func readWatch(t *testing.T, w *dn.Stream) (out []dn.Status) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	for w.Seq() < w.Head() {
		items, err := w.Next(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			out = append(out, it.Status)
		}
	}
	return out
}

// switchable dials until it is cut, which also ends what it has dialled.
type switchable struct {
	mu    sync.Mutex
	off   bool
	conns []net.Conn
}

func (s *switchable) dial(ctx context.Context, peer dn.Node, addr string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return nil, context.DeadlineExceeded
	}
	conn, err := dialTCP(ctx, peer, addr)
	if err == nil {
		s.conns = append(s.conns, conn)
	}
	return conn, err
}

func (s *switchable) set(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = off
	if off {
		for _, c := range s.conns {
			_ = c.Close()
		}
	}
}

// TestMesh_GossipIsKeptOfPeersOnly: what it says of one that is to come is
// remembered, and nothing of one that was removed and went.
func TestMesh_GossipIsKeptOfPeersOnly(t *testing.T) {
	m := NewMesh(Config{Log: slog.New(slog.DiscardHandler)})
	m.SetPeers([]Peer{{ID: "b"}})
	m.Gossip("b", false, 1, "")
	m.Gossip("c", true, 1, "192.0.2.1:7")
	if n := m.Held()["link_gossip"]; n != 2 {
		t.Errorf("gossip of %d nodes is kept, want 2", n)
	}
	m.SetPeers(nil)
	for _, id := range []dn.Node{"b", "c", "d"} {
		m.Gossip(id, false, 1, "")
	}
	leftover.AtOnce(t, m)
}
