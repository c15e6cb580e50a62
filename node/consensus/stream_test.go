package consensus

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// A connection of Raft that has said its cluster lasts, however silent; one that
// says nothing is given up after 5 s.
func TestStream_LastsBehindTheHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, in := net.Pipe()
		id := func() string { return "c1" }
		dialling := newStream(func(context.Context, string, string) (net.Conn, error) { return out, nil }, &configpb.Node{Id: "b"}, id)
		server := newCaller(in, id, "a")
		got := make(chan string, 1)
		go func() {
			var b [4]byte
			_, err := io.ReadFull(server, b[:])
			got <- string(b[:]) + map[bool]string{true: "", false: " and an error"}[err == nil]
		}()
		client, err := dialling.Dial("a/other:1", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if _, err := client.Write([]byte("raft")); err != nil {
			t.Errorf("after an hour it can't be written: %v", err)
		}
		if g := patience.Receive(t, "what was written", got); g != "raft" {
			t.Errorf("read %q", g)
		}
		_ = client.Close()
		_ = server.Close()

		silent, in := net.Pipe()
		defer silent.Close()
		server = newCaller(in, id, "a")
		defer server.Close()
		began := time.Now()
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("a silent one: %v after %v", err, time.Since(began))
		}
	})
}

// Raft waits for who dials before it has stopped, and a node that does not answer would
// hold it up for as long as a dial may take.
func TestStream_CloseEndsADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, &configpb.Node{Id: "b"}, func() string { return "c1" })
		began, dialled := time.Now(), make(chan error, 1)
		go func() { _, err := s.Dial("a/silent:1", time.Hour); dialled <- err }()
		synctest.Wait()
		_ = s.Close()
		if err := <-dialled; !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := s.Dial("a/silent:1", time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("dialled though it is closed: %v", err)
		}
	})
}

// at is a connection of which the port knows who is at the other end.
type at struct {
	net.Conn
	peer string
}

func (a at) PeerID() string { return a.peer }

// Who comes is let in only when it means this node of this cluster, and calls
// itself what it is: an address that another machine took over hears no word of
// Raft, and a node speaks for itself.
func TestStream_TheGreetingSaysWhoIsMeantAndWhoComes(t *testing.T) {
	for name, c := range map[string]struct {
		greeting greeting
		peer     string
		ok       bool
	}{
		"as it should be":                 {greeting{"c1", "a", "b"}, "b", true},
		"where nobody is asked":           {greeting{"c1", "a", "b"}, "", true},
		"another cluster":                 {greeting{"c2", "a", "b"}, "b", false},
		"another node is meant":           {greeting{"c1", "z", "b"}, "b", false},
		"no node is meant":                {greeting{"c1", "", "b"}, "b", false},
		"in the name of another":          {greeting{"c1", "a", "z"}, "b", false},
		"without a name":                  {greeting{"c1", "a", ""}, "b", false},
		"without a name, nobody is asked": {greeting{"c1", "a", ""}, "", false},
	} {
		conn := pipe(t, append(c.greeting.encode(), "raft"...))
		if c.peer != "" {
			conn = wrapped{at{conn, c.peer}}
		}
		n, err := newCaller(conn, func() string { return "c1" }, "a").Read(make([]byte, 9))
		if (err == nil && n == 4) != c.ok {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	// As older programs did: the name of the cluster and no more.
	if n, err := newCaller(pipe(t, []byte("\x02c1raft")), func() string { return "c1" }, "a").Read(make([]byte, 9)); err == nil || n > 0 {
		t.Errorf("the cluster alone: %d bytes, %v", n, err)
	}
}

// wrapped is a connection around another.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// A request in the name of another node ends the connection, and Raft hears
// nothing of it, whichever way it takes.
func TestTransport_ANodeSpeaksInItsOwnName(t *testing.T) {
	c := newCluster(t)
	a, b := c.add("a"), c.add("b")
	a.bootstrap()
	s := newStream(b.dialRaft, b.self, a.group.ClusterID)
	liar := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: s, Timeout: patience.Limit, Logger: newRaftLog(slog.New(slog.DiscardHandler), time.Hour)})
	defer liar.Close()
	term := a.group.raft.CurrentTerm()
	for what, ask := range map[string]func(raft.RPCHeader) error{
		"a vote": func(h raft.RPCHeader) error {
			return liar.RequestVote("id-a", meant("id-a", raft.ServerAddress(a.self.GetClusterAddr())), &raft.RequestVoteRequest{RPCHeader: h, Term: term + 5, LeadershipTransfer: true}, &raft.RequestVoteResponse{})
		},
		"a heartbeat": func(h raft.RPCHeader) error {
			return liar.AppendEntries("id-a", meant("id-a", raft.ServerAddress(a.self.GetClusterAddr())), &raft.AppendEntriesRequest{RPCHeader: h, Term: term + 5}, &raft.AppendEntriesResponse{})
		},
		"an entry": func(h raft.RPCHeader) error {
			return liar.AppendEntries("id-a", meant("id-a", raft.ServerAddress(a.self.GetClusterAddr())), &raft.AppendEntriesRequest{RPCHeader: h, Term: term + 5, LeaderCommitIndex: 7}, &raft.AppendEntriesResponse{})
		},
	} {
		h := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("id-z"), Addr: []byte("127.0.0.1:1")}
		if err := ask(h); err == nil {
			t.Errorf("%s in the name of another is answered", what)
		}
		if now := a.group.raft.CurrentTerm(); now != term {
			t.Fatalf("%s in the name of another raised the term from %d to %d", what, term, now)
		}
	}
	h := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("id-b"), Addr: []byte("127.0.0.1:1")}
	resp := raft.AppendEntriesResponse{}
	if err := liar.AppendEntries("id-a", meant("id-a", raft.ServerAddress(a.self.GetClusterAddr())), &raft.AppendEntriesRequest{RPCHeader: h}, &resp); err != nil || resp.Term != term {
		t.Errorf("in its own name: %v %v", err, &resp)
	}
}

// A node that is of no cluster yet lets nobody in, not even one that is of none either.
func TestStream_WithoutAClusterLetsNobodyIn(t *testing.T) {
	none := func() string { return "" }
	g := newCaller(pipe(t, []byte("\x00\x01a\x01braft")), none, "a")
	if n, err := g.Read(make([]byte, 9)); !errors.Is(err, ErrOtherCluster) || n > 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	dialled := false
	s := newStream(func(context.Context, string, string) (net.Conn, error) { dialled = true; return nil, io.EOF }, &configpb.Node{Id: "b"}, none)
	if _, err := s.Dial("a/other:1", time.Second); err == nil || dialled {
		t.Errorf("it dials: %v", err)
	}
}

// What a follower said counts while it is heard.
func TestTransport_AFollowerThatIsSilentHasNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &transport{followers: map[raft.ServerID]*follower{}}
		tr.answered("b", 7, true)
		for _, c := range []struct {
			later time.Duration
			want  uint64
		}{{0, 7}, {2 * time.Second, 7}, {1, 0}} {
			<-time.After(c.later)
			if got := tr.reached("b", 2*time.Second); got != c.want {
				t.Errorf("%v later it has reached %d, want %d", c.later, got, c.want)
			}
		}
		if got := tr.reached("c", time.Hour); got != 0 {
			t.Errorf("one that was never heard has reached %d", got)
		}
	})
}

// A leader that could not be reached is dialled at once by the next attempt, not when
// gRPC would try again.
func TestConns_DialAtOnceAfterAFailure(t *testing.T) {
	ln := bufconn.Listen(1 << 10)
	server := grpc.NewServer()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Stop(); patience.Receive(t, "the end of the server", done) })
	var there atomic.Bool
	c := conns{dial: func(_, addr string) (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Hour, MaxDelay: time.Hour, Multiplier: 1}}),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				if !there.Load() {
					return nil, io.ErrUnexpectedEOF
				}
				return ln.DialContext(ctx)
			}))
	}}
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	if _, err := c.ready(ctx, "a", "leader:1"); err == nil || ctx.Err() != nil {
		t.Errorf("without a leader: %v", err)
	}
	there.Store(true)
	patience.Until(t, "a connection", func() bool { _, err := c.ready(ctx, "a", "leader:1"); return err == nil })
	conn, err := c.ready(ctx, "b", "leader:2") // another one leads
	if err != nil || conn.Target() != "passthrough:///leader:2" {
		t.Errorf("the next leader: %v %v", conn.Target(), err)
	}
	if err := c.close(); err != nil || conn.GetState() != connectivity.Shutdown {
		t.Errorf("closed: %v, %v", err, conn.GetState())
	}
	if _, err := c.ready(ctx, "b", "leader:2"); err == nil {
		t.Error("it dials though it is closed")
	}
	if err := c.close(); err != nil { // a stop that took long disconnects before all is closed
		t.Errorf("closed again: %v", err)
	}
}
