package tcontroller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// scripted is the peer "a" of a node's mesh, whose part the test plays. Both
// live in one bubble, where time passes at once.
type scripted struct {
	peerpb.UnimplementedTControllerServer
	t     *testing.T
	table *dn.Table
	calls *call.Table
	mesh  *Mesh
	links chan *played

	mu sync.Mutex
	// unreachable is what dials end with.
	unreachable error
	dialed      []string
	rejoined    []dn.Node
}

// played is a link as the peer sees it.
type played struct {
	t      *testing.T
	stream followStream
	opened time.Time
	hello  *peerpb.FollowHello
	over   chan error

	mu     sync.Mutex
	silent bool
	trip   time.Duration // how long an answer to a ping is under way
	pings  []*peerpb.Ping
}

// withPeer plays a test in a bubble; change may alter the mesh's configuration.
func withPeer(t *testing.T, change func(*Config), play func(*testing.T, *scripted)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ln := bufconn.Listen(1 << 20)
		s := &scripted{
			t: t, links: make(chan *played, 100),
			table: dn.New(dn.Config{Self: "b", Incarnation: 1}), calls: call.New(call.Config{Self: "b", Incarnation: 1}),
		}
		server := grpc.NewServer()
		peerpb.RegisterTControllerServer(server, s)
		var all sync.WaitGroup
		all.Go(func() { _ = server.Serve(ln) })
		cfg := Config{ClusterID: "c1", Table: s.table, Calls: s.calls, Log: slog.New(slog.DiscardHandler), Rejoin: s.rejoin}
		cfg.Dial = func(ctx context.Context, _ dn.Node, addr string) (net.Conn, error) {
			if err := s.dialing(addr); err != nil {
				return nil, err
			}
			return ln.DialContext(ctx)
		}
		change(&cfg)
		s.mesh = NewMesh(cfg)
		s.mesh.SetPeers([]Peer{{ID: "a", Name: "sip1", Addr: "roster:1"}})
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() { _ = s.mesh.Run(ctx) })
		play(t, s)
		cancel()
		server.Stop()
		patience.Done(t, "the end of both", all.Wait)
	})
}

func (s *scripted) dialing(addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialed = append(s.dialed, addr)
	return s.unreachable
}

func (s *scripted) dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dialed)
}

func (s *scripted) lastDialed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialed[len(s.dialed)-1]
}

// away has dials fail with that error from now on; nil ends it.
func (s *scripted) away(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreachable = err
}

func (s *scripted) rejoin(id dn.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejoined = append(s.rejoined, id)
}

// Follow hands the link to the test, and answers pings unless it is silent.
func (s *scripted) Follow(stream followStream) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	l := &played{t: s.t, stream: stream, opened: time.Now(), hello: m.GetHello(), over: make(chan error, 1)}
	s.links <- l
	go l.pongs()
	select {
	case err := <-l.over:
		return err
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

func (l *played) pongs() {
	for {
		m, err := l.stream.Recv()
		if err != nil {
			return
		}
		l.mu.Lock()
		silent, trip := l.silent, l.trip
		l.pings = append(l.pings, m.GetPing())
		l.mu.Unlock()
		if !silent && !m.GetPing().GetQuiet() {
			l.pongAfter(trip, m.GetPing())
		}
	}
}

func (l *played) hush(silent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = silent
}

func (l *played) pinged() []*peerpb.Ping {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*peerpb.Ping(nil), l.pings...)
}

func (l *played) says(m *peerpb.FollowResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.stream.Send(m) // the link may have ended
}

// What the peer says.

func hello(of dn.Node, incarnation uint64, resumed bool) *peerpb.FollowResponse {
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_Hello{Hello: &peerpb.PublisherHello{Publisher: string(of), Incarnation: incarnation, Resumed: resumed}}}
}

func records(seq uint64, all ...dn.Record) *peerpb.FollowResponse {
	b := &peerpb.RecordBatch{Seq: seq}
	for i := range all {
		b.Records = append(b.Records, ToProto(&all[i]))
	}
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_Records{Records: b}}
}

func synced(seq uint64) *peerpb.FollowResponse {
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_EndOfSync{EndOfSync: &peerpb.EndOfSync{Seq: seq}}}
}

func callsHello(resumed bool) *peerpb.FollowResponse {
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_CallsHello{CallsHello: &peerpb.CallsHello{Resumed: resumed}}}
}

func callsSynced(seq uint64) *peerpb.FollowResponse {
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_EndOfCallSync{EndOfCallSync: &peerpb.EndOfCallSync{Seq: seq}}}
}

// link waits for the next link of the follower.
func (s *scripted) link() *played {
	s.t.Helper()
	return patience.Receive(s.t, "a link of the follower", s.links)
}

// heard is a link on which the peer, that has DN 1, came over whole.
func (s *scripted) heard() *played {
	s.t.Helper()
	l := s.link()
	l.says(hello("a", 7, false))
	l.says(records(0, dn.Record{Number: "1", ClaimTime: time.Now().UnixNano(), State: dn.InSrv, Reason: dn.Registered, Since: 1}))
	l.says(synced(5))
	l.says(callsHello(false))
	l.says(callsSynced(6))
	synctest.Wait()
	if p := s.peer(); !p.Heard || !s.table.Heard("a") {
		s.t.Fatalf("the peer is not heard: %+v", p)
	}
	return l
}

func (s *scripted) peer() PeerStatus {
	s.t.Helper()
	all := s.mesh.Status()
	if len(all) != 1 {
		s.t.Fatalf("%d peers", len(all))
	}
	return all[0]
}

// lost waits until the peer is not heard any more, and says how long that took
// and why it was.
func (s *scripted) lost() (after time.Duration, reason string) {
	s.t.Helper()
	began := time.Now()
	for time.Since(began) < 20*time.Second {
		if p := s.peer(); !p.Heard {
			return time.Since(began), p.Reason
		}
		passes(time.Millisecond)
	}
	s.t.Fatal("the peer is still heard")
	return 0, ""
}

var errFarAway = errors.New("no answer")

func within(t *testing.T, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s: %v, want %v to %v", what, got, least, most)
	}
}

func standard(*Config) {}

func (p PeerStatus) String() string { return fmt.Sprintf("%s heard=%v %s", p.Name, p.Heard, p.Reason) }
