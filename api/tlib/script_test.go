package tlib_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// nodes are scripted: a test plays the node's part. They and their clients live
// in one bubble, where time passes at once.
type nodes struct {
	t  *testing.T
	mu sync.Mutex
	// at is who listens at an address.
	at     map[string]*scripted
	dialed int
}

// scripted is one node.
type scripted struct {
	tlibpb.UnimplementedTLibraryServer
	t      *testing.T
	ln     *bufconn.Listener
	server *grpc.Server
	links  chan *link
}

// link is a session as the node sees it.
type link struct {
	t      *testing.T
	stream grpc.BidiStreamingServer[tlibpb.ClientMessage, tlibpb.ServerMessage]
	in     chan *tlibpb.ClientMessage
	over   chan error
}

// inBubble plays a test with nodes at the addresses "a" and "b".
func inBubble(t *testing.T, play func(*testing.T, *nodes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ns := &nodes{t: t, at: map[string]*scripted{}}
		ns.start("a")
		ns.start("b")
		defer ns.stop("a")
		defer ns.stop("b")
		play(t, ns)
	})
}

func (ns *nodes) start(addr string) *scripted {
	n := &scripted{t: ns.t, ln: bufconn.Listen(1 << 16), server: grpc.NewServer(), links: make(chan *link, 10)}
	tlibpb.RegisterTLibraryServer(n.server, n)
	go func() { _ = n.server.Serve(n.ln) }()
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.at[addr] = n
	return n
}

// stop ends a node and its connections.
func (ns *nodes) stop(addr string) {
	ns.mu.Lock()
	n := ns.at[addr]
	delete(ns.at, addr)
	ns.mu.Unlock()
	if n != nil {
		n.server.Stop()
	}
}

func (ns *nodes) dial(ctx context.Context, addr string) (net.Conn, error) {
	ns.mu.Lock()
	n := ns.at[addr]
	ns.dialed++
	ns.mu.Unlock()
	if n == nil {
		return nil, errors.New("connection refused")
	}
	return n.ln.DialContext(ctx)
}

func (ns *nodes) options() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithContextDialer(ns.dial)}
}

// dials is how often somebody dialled.
func (ns *nodes) dials() int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.dialed
}

// client dials in the background: the test has to greet it.
func (ns *nodes) client(opts tlib.Options, greet func()) *tlib.Client {
	ns.t.Helper()
	opts.DialOptions = ns.options()
	opts.More = append(opts.More, "b")
	var c *tlib.Client
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = tlib.Dial(ns.t.Context(), "a", opts)
	}()
	greet()
	patience.Receive(ns.t, "the end of Dial", done)
	if err != nil {
		ns.t.Fatal(err)
	}
	return c
}

// Session hands the stream to the test.
func (n *scripted) Session(stream grpc.BidiStreamingServer[tlibpb.ClientMessage, tlibpb.ServerMessage]) error {
	l := &link{t: n.t, stream: stream, in: make(chan *tlibpb.ClientMessage, 100), over: make(chan error, 1)}
	n.links <- l
	go func() {
		defer close(l.in)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			l.in <- m
		}
	}()
	select {
	case err := <-l.over:
		return err
	case <-stream.Context().Done():
		return nil
	}
}

// greets accepts a session and answers OpenSession, which it returns.
func (n *scripted) greets(info *tlibpb.ServerInfo, resumed bool) (*link, *tlibpb.OpenSession) {
	n.t.Helper()
	l := patience.Receive(n.t, "the link of the client", n.links)
	m := patience.Receive(n.t, "the first message of the client", l.in)
	open := m.GetOpenSession()
	if open == nil {
		n.t.Fatalf("the first message is %v", m)
	}
	l.says(0, answering(m.GetReferenceId(), tlibtest.LinkConnected(info, "token of "+info.GetNode(), resumed)))
	return l, open
}

// answering gives an answer the reference of its request.
func answering(ref uint64, e *tlibpb.Event) *tlibpb.Event {
	e.ReferenceId = ref
	return e
}

// says sends events; everything up to seq was told, 0 for no word about that.
func (l *link) says(seq uint64, events ...*tlibpb.Event) {
	m := &tlibpb.ServerMessage{Events: events}
	if seq > 0 {
		m.Cursor = fmt.Append(nil, seq)
	}
	if err := l.stream.Send(m); err != nil {
		l.t.Error(err)
	}
}

// wants waits for a request.
func (l *link) wants() *tlibpb.ClientMessage {
	l.t.Helper()
	m := patience.Receive(l.t, "a request of the client", l.in)
	if m == nil {
		l.t.Fatal("the client is gone")
	}
	return m
}

// answers waits for a request and answers it.
func (l *link) answers(e *tlibpb.Event) *tlibpb.ClientMessage {
	l.t.Helper()
	m := l.wants()
	e.ReferenceId = m.GetReferenceId()
	l.says(0, e)
	return m
}

// wantNext wants an event of that kind.
func wantNext(t *testing.T, c *tlib.Client, want tlibpb.Message) *tlibpb.Event {
	t.Helper()
	e, err := c.Next(t.Context())
	if err != nil || e.GetMessage() != want {
		t.Fatalf("got %v, %v, want %v", e, err, want)
	}
	return e
}

// told is one change of a DN.
func told(dn string, seq uint64) *tlibpb.Event {
	e := tlibtest.About(tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE, dn)
	e.Seq = seq
	return e
}
