package consensus

import (
	"context"
	"errors"
	"io"
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

	"github.com/sipcluster/sipcluster/internal/patience"
)

// accepted are connections that are given.
type accepted struct {
	net.Listener
	conns chan net.Conn
}

func (a accepted) Accept() (net.Conn, error) { return <-a.conns, nil }

// A connection of Raft that has said its cluster lasts, however silent; one that
// says nothing is given up after 5 s.
func TestStream_LastsBehindTheHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, in := net.Pipe()
		id := func() string { return "c1" }
		dialling := &stream{dial: func(context.Context, string) (net.Conn, error) { return out, nil }, clusterID: id}
		accepting := &stream{Listener: accepted{conns: make(chan net.Conn, 2)}, clusterID: id}
		accepting.Listener.(accepted).conns <- in
		server, err := accepting.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			var b [4]byte
			_, err := io.ReadFull(server, b[:])
			got <- string(b[:]) + map[bool]string{true: "", false: " and an error"}[err == nil]
		}()
		client, err := dialling.Dial("other:1", time.Second)
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
		accepting.Listener.(accepted).conns <- in
		if server, err = accepting.Accept(); err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		began := time.Now()
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("a silent one: %v after %v", err, time.Since(began))
		}
	})
}

// A node that is of no cluster yet lets nobody in, not even one that is of none either.
func TestStream_WithoutAClusterLetsNobodyIn(t *testing.T) {
	none := func() string { return "" }
	g := &greeted{Conn: pipe(t, []byte("\x00raft")), want: none}
	if n, err := g.Read(make([]byte, 9)); !errors.Is(err, ErrOtherCluster) || n > 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	dialled := false
	s := &stream{dial: func(context.Context, string) (net.Conn, error) { dialled = true; return nil, io.EOF }, clusterID: none}
	if _, err := s.Dial("other:1", time.Second); err == nil || dialled {
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
	c := conns{dial: func(addr string) (*grpc.ClientConn, error) {
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
	if _, err := c.ready(ctx, "leader:1"); err == nil || ctx.Err() != nil {
		t.Errorf("without a leader: %v", err)
	}
	there.Store(true)
	patience.Until(t, "a connection", func() bool { _, err := c.ready(ctx, "leader:1"); return err == nil })
	conn, err := c.ready(ctx, "leader:2") // another one leads
	if err != nil || conn.Target() != "passthrough:///leader:2" {
		t.Errorf("the next leader: %v %v", conn.Target(), err)
	}
	if err := c.close(); err != nil || conn.GetState() != connectivity.Shutdown {
		t.Errorf("closed: %v, %v", err, conn.GetState())
	}
	if _, err := c.ready(ctx, "leader:2"); err == nil {
		t.Error("it dials though it is closed")
	}
}
