package liar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Line is a way to use what one holds, again and again: by a connection that stands,
// or by new ones.
type Line struct {
	What string
	// use returns nil when something was accepted.
	use   func(ctx context.Context) error
	close func()

	last atomic.Int64 // ns since the epoch of the last time that something was
	stop context.CancelFunc
	done chan struct{}
}

// useEach is the pause between two uses, useFor how long one may take.
const useEach, useFor = 5 * time.Millisecond, time.Second

// Begin uses the line until End.
func (l *Line) Begin() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan struct{})
	go func() {
		defer close(l.done)
		tick := time.NewTicker(useEach)
		defer tick.Stop()
		for ctx.Err() == nil {
			once, cancel := context.WithTimeout(ctx, useFor)
			if l.use(once) == nil {
				l.last.Store(time.Now().UnixNano())
			}
			cancel()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
}

// End ends the line.
func (l *Line) End() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
	if l.close != nil {
		l.close()
	}
}

// Last is when something was accepted by it last; zero: never.
func (l *Line) Last() time.Time {
	if ns := l.last.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Lines are those of a node's files: what it may do by new connections, and
// connections that stand.
func (t *Thief) Lines(as, to *configpb.Node) ([]*Line, error) {
	var all []*Line
	for _, claim := range Claims() {
		all = append(all, &Line{What: "new connections that " + claim.What, use: func(ctx context.Context) error { return claim.Try(t, ctx, as, to) }})
	}
	for _, open := range []func(as, to *configpb.Node) (*Line, error){t.link, t.raft, t.requests, t.stream} {
		l, err := open(as, to)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}

// ear counts what is heard, until nothing more comes.
type ear struct {
	mu    sync.Mutex
	count int
	news  chan struct{} // closed and replaced with each
	over  bool
}

// listen hears until hear fails.
func listen(hear func() error) *ear {
	e := &ear{news: make(chan struct{})}
	go func() {
		for err := error(nil); err == nil; {
			err = hear()
			e.mu.Lock()
			e.count, e.over = e.count+1, err != nil
			close(e.news)
			e.news = make(chan struct{})
			e.mu.Unlock()
		}
	}()
	return e
}

// answers tells whether something is heard behind what say says.
func (e *ear) answers(ctx context.Context, say func() error) error {
	e.mu.Lock()
	over, news := e.over, e.news
	e.mu.Unlock()
	if over {
		return io.EOF
	}
	if err := say(); err != nil {
		return err
	}
	select {
	case <-news:
	case <-ctx.Done():
		return ctx.Err()
	}
	return e.open()
}

// open is nil while nothing has ended it.
func (e *ear) open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return io.EOF
	}
	return nil
}

func (t *Thief) link(as, to *configpb.Node) (*Line, error) {
	conn, err := t.grpc(to, identity.GRPC)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := peerpb.NewTControllerClient(conn).Follow(ctx)
	if err == nil {
		err = stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{
			ClusterId: t.view.Epoch(), Follower: as.GetId(), Publisher: to.GetId()}}})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	e := listen(func() error { _, err := stream.Recv(); return err })
	return &Line{What: "a link", close: func() { cancel(); _ = conn.Close() }, use: func(ctx context.Context) error {
		return e.answers(ctx, func() error {
			return stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Ping{Ping: &peerpb.Ping{SentMono: 1}}})
		})
	}}, err
}

func (t *Thief) raft(as, to *configpb.Node) (*Line, error) {
	once := make(chan net.Conn, 1)
	conn, err := t.greeted(context.Background(), t.ID, to)
	if err != nil {
		return nil, err
	}
	once <- conn
	way := &raftWay{closed: make(chan struct{}), dial: func() (net.Conn, error) {
		select {
		case c := <-once:
			return c, nil
		default:
			return nil, net.ErrClosed
		}
	}}
	n := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: way, MaxPool: 1, Timeout: patience, Logger: hclog.NewNullLogger()})
	return &Line{What: "a connection of Raft", close: func() { _ = n.Close() }, use: func(context.Context) error { return preVote(n, as, to) }}, nil
}

func (t *Thief) requests(_, to *configpb.Node) (*Line, error) {
	conn, err := t.grpc(to, identity.GRPC)
	if err != nil {
		return nil, err
	}
	return &Line{What: "requests of a node", close: func() { _ = conn.Close() }, use: func(ctx context.Context) error {
		_, err := peerpb.NewKeysClient(conn).Progress(ctx, &peerpb.ProgressRequest{ClusterId: t.view.Epoch()})
		return err
	}}, nil
}

// stream is one of SIP; that of a node which ought to be dialled does not stand.
func (t *Thief) stream(as, to *configpb.Node) (*Line, error) {
	conn, answer, err := t.hello(context.Background(), 0, as, to)
	if err != nil || answer != sipWelcome {
		return &Line{What: "a stream of SIP that it does not open", use: func(context.Context) error { return net.ErrClosed }}, err
	}
	buffer, cseq := make([]byte, 4096), 0
	e := listen(func() error { _, err := conn.Read(buffer); return err })
	return &Line{What: "a stream of SIP", close: func() { _ = conn.Close() }, use: func(ctx context.Context) error {
		cseq++
		return e.answers(ctx, func() error {
			_, err := conn.Write(frame(fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/TCP liar.invalid;branch=z9hG4bKliar%d\r\nMax-Forwards: 70\r\nFrom: <sip:liar@liar.invalid>;tag=l\r\n"+
				"To: <sip:%s>\r\nCall-ID: liar-%d\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n", to.GetSipAddr(), cseq, to.GetSipAddr(), cseq, cseq)))
			return err
		})
	}}, nil
}

// TokenLines are those of a token at a node: a Watch, a T-Library session, requests, and new
// connections.
func TokenLines(n *cluster.Node, from *cluster.Place, admin credential.Context, token string) ([]*Line, error) {
	proofs := credential.DialOptions(credential.TLS(admin.Authorities), token)
	who := func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := configpb.NewAccessClient(conn).WhoAmI(ctx, &configpb.WhoAmIRequest{})
		return err
	}
	conn, err := n.DialAs(from, cluster.TCPort, proofs)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := func() { cancel(); _ = conn.Close() }
	watch, err := tcpb.NewAvailabilityClient(conn).Watch(ctx, &tcpb.WatchRequest{})
	if err != nil {
		end()
		return nil, err
	}
	session, err := tlibpb.NewTLibraryClient(conn).Session(ctx)
	if err == nil {
		err = session.Send(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: "liar"}}})
	}
	if err == nil {
		_, err = session.Recv()
	}
	watched := listen(func() error { _, err := watch.Recv(); return err })
	told := listen(func() error { _, err := session.Recv(); return err })
	ref := uint64(0)
	return []*Line{
		{What: "a Watch", close: end, use: func(context.Context) error { return watched.open() }},
		{What: "a T-Library session", use: func(ctx context.Context) error {
			return told.answers(ctx, func() error {
				ref++
				return session.Send(&tlibpb.ClientMessage{ReferenceId: ref, Body: &tlibpb.ClientMessage_QueryServer{QueryServer: &tlibpb.QueryServer{}}})
			})
		}},
		{What: "requests", use: func(ctx context.Context) error { return who(ctx, conn) }},
		{What: "new connections", use: func(ctx context.Context) error {
			fresh, err := n.DialAs(from, cluster.TCPort, proofs)
			if err != nil {
				return err
			}
			return errors.Join(who(ctx, fresh), fresh.Close())
		}},
	}, err
}
