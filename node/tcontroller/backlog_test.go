package tcontroller

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// valve is a connection whose reads wait while it is shut, as those of a
// process that stands still, and wait for delay when one is set.
type valve struct {
	net.Conn
	gone chan struct{} // by Close
	end  sync.Once
	mu   sync.Mutex
	open chan struct{} // closed: it is open
	// Delays of what goes out and what comes in.
	out, in time.Duration
}

func newValve(conn net.Conn) *valve {
	v := &valve{Conn: conn, open: make(chan struct{}), gone: make(chan struct{})}
	close(v.open)
	return v
}

func (v *valve) NetConn() net.Conn { return v.Conn }

func (v *valve) shut() (open func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := make(chan struct{})
	v.open = c
	return func() { close(c) }
}

func (v *valve) slow(out, in time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out, v.in = out, in
}

func (v *valve) now() (open chan struct{}, out, in time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open, v.out, v.in
}

func (v *valve) Read(b []byte) (int, error) {
	open, _, _ := v.now()
	select {
	case <-open:
	case <-v.gone:
		return 0, net.ErrClosed
	}
	n, err := v.Conn.Read(b)
	_, _, in := v.now()
	<-time.After(in)
	return n, err
}

// Close ends reads that wait, as that of a socket does.
func (v *valve) Close() error {
	v.end.Do(func() { close(v.gone) })
	return v.Conn.Close()
}

func (v *valve) Write(b []byte) (int, error) {
	_, out, _ := v.now()
	<-time.After(out)
	return v.Conn.Write(b)
}

// valves dial; the last one dialled is at hand.
type valves struct {
	mu   sync.Mutex
	last *valve
}

func (vs *valves) dial(ctx context.Context, _ dn.Node, addr string) (net.Conn, error) {
	conn, err := dialTCP(ctx, "", addr)
	if err != nil {
		return nil, err
	}
	// Smaller than gRPC's window, so that a reader that stands still also fills
	// the writer's kernel.
	_ = conn.(*net.TCPConn).SetReadBuffer(256 << 10)
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.last = newValve(conn)
	return vs.last, nil
}

func (vs *valves) valve() *valve {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return vs.last
}

// peerOf is how a site sees its only peer.
func peerOf(s *site) (p PeerStatus) {
	if all := s.mesh.Status(); len(all) > 0 {
		p = all[0]
	}
	return p
}

func TestBacklog_GrowsWhileTheFollowerDoesNotReadAndShrinksAgain(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.table.Register("1", dn.Registered)
	var vs valves
	b.followVia(t, vs.dial, a)
	await(t, "the snapshot", func() bool { return b.table.Counts().InSrv == 1 })
	await(t, "an empty queue", func() bool { return a.publisher.Backlog("b").Changes == 0 })
	open := vs.valve().shut()
	registered := 1
	await(t, "a queue", func() bool {
		for range 500 {
			registered++
			a.table.Register(dn.Number(fmt.Sprint(100_000+registered)), dn.Registered)
		}
		return a.publisher.Backlog("b").Changes > 5000
	})
	if runtime.GOOS == "linux" {
		await(t, "bytes that wait at both ends", func() bool {
			return a.publisher.Backlog("b").Unacked > 0 && peerOf(b).Unread > 0
		})
	}
	open()
	await(t, "all that was missed", func() bool { return b.table.Counts().InSrv == registered })
	await(t, "an empty queue again", func() bool {
		q, s := a.publisher.Backlog("b"), peerOf(b)
		return q == Backlog{} && s.Socket == Socket{}
	})
}

func TestBacklog_IsOfTheNewestLinkAndEndsWithIt(t *testing.T) {
	a := newSite(t, "a", 1, "127.0.0.1:0")
	follow := func() (cancel func(), stream grpc.BidiStreamingClient[peerpb.FollowRequest, peerpb.FollowResponse]) {
		cc, err := grpc.NewClient("passthrough:///"+a.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
		if stream, err = peerpb.NewTControllerClient(cc).Follow(ctx); err == nil {
			err = stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{ClusterId: "c1", Follower: "b", Publisher: "a"}}})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		return cancel, stream
	}
	if got := a.publisher.Backlog("b"); got != (Backlog{}) {
		t.Errorf("without a link: %+v", got)
	}
	endFirst, first := follow()
	old := a.publisher.links.get("b")
	endSecond, _ := follow()
	newest := a.publisher.links.get("b")
	if old == nil || newest == nil || old == newest {
		t.Fatalf("links %p and %p", old, newest)
	}
	endFirst()
	patience.Done(t, "the end of the old link", func() {
		for err := error(nil); err == nil; {
			_, err = first.Recv()
		}
	})
	await(t, "its end at the publisher too", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.ended == 1 })
	if a.publisher.links.get("b") != newest {
		t.Error("the end of the old link took the new one away")
	}
	endSecond()
	await(t, "the end", func() bool { return a.publisher.links.get("b") == nil })
}

func TestStatus_LeavesNothingOfAPeerThatIsNoLongerThere(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	b.follow(t, a)
	await(t, "an answer", func() bool { return !peerOf(b).LastAnswer.IsZero() })
	b.mesh.SetPeers(nil)
	await(t, "the end", func() bool { return len(b.mesh.Status()) == 0 && a.publisher.Backlog("b") == Backlog{} })
	await(t, "the end of its link", func() bool { return a.publisher.links.get("b") == nil })
}

func TestDelay_TellsWhichWayIsSlow(t *testing.T) {
	const slow = 60 * time.Millisecond
	for name, tc := range map[string]struct {
		out, in time.Duration
		slowed  func(Delay) (fast, slow time.Duration)
	}{
		"to the peer":   {slow, 0, func(d Delay) (time.Duration, time.Duration) { return d.FromPeer, d.ToPeer }},
		"from the peer": {0, slow, func(d Delay) (time.Duration, time.Duration) { return d.ToPeer, d.FromPeer }},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
			var vs valves
			b.followVia(t, vs.dial, a)
			await(t, "a fast answer", func() bool { d := peerOf(b).Delay; return d.RTT > 0 && d.RTT < slow/4 })
			vs.valve().slow(tc.out, tc.in)
			await(t, "the slow way", func() bool {
				d := peerOf(b).Delay
				fast, slowed := tc.slowed(d)
				if d.ToPeer < 0 || d.FromPeer < 0 || d.ToPeer+d.FromPeer != d.RTT {
					t.Fatalf("%+v", d)
				}
				return slowed >= slow*3/4 && fast < slow/2 && d.Skew.Abs() < slow/4
			})
		})
	}
}

func TestDelay_StaysWhenTheLinkEnds(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	b.follow(t, a)
	await(t, "an answer", func() bool { return peerOf(b).RTT > 0 })
	a.server.Stop()
	await(t, "the loss", func() bool { s := peerOf(b); return !s.Heard && s.Socket == (Socket{}) }) // silent or dead, as the machine has it
	if s := peerOf(b); s.LastAnswer.IsZero() || s.RTT == 0 || s.Socket != (Socket{}) {
		t.Errorf("%+v", s)
	}
}
