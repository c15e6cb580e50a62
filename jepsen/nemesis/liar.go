package nemesis

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// most is how many DNs a liar claims.
const most = 3

// liar puts a false peer in the place of a node: it has the node's address and
// id, speaks the protocol of the links and lies. First it speaks in the name
// of another node and says that its DNs are gone, then, as itself, it claims
// DNs of others with stamps that no clock can give, and sends what is no record.
func liar(ctx context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, 2)
	if len(nodes) < 2 {
		return nil, ErrBusy
	}
	n, rows := nodes[0], ownedByOthers(ctx, nodes[1], nodes[0])
	if len(rows) == 0 {
		return nil, ErrBusy
	}
	if err := a.claim(n); err != nil {
		return nil, err
	}
	key, err := ownKey(n)
	if err != nil {
		return nil, err
	}
	l := &lying{key: key, place: n.Place(), port: n.Addr(cluster.ClusterPort).Port(), followed: make(chan struct{}), followers: map[string]int{}}
	e := history.Effect{Down: names(n)}
	for i, dn := range rows {
		e.Lies = append(e.Lies, history.Row{DN: dn})
		if i < most {
			e.Lies = append(e.Lies, history.Row{DN: dn, InSrv: true, Owner: n.Name()})
			l.claims = append(l.claims, dn)
		}
	}
	return one(Strike{
		Params: "in the place of " + n.Name(), Effect: e, nodes: []*cluster.Node{n},
		inject:  func(ctx context.Context) error { a.kill(n); return l.start(ctx) },
		confirm: l.heardOut,
		heal: func(ctx context.Context) error {
			l.server.Stop()
			return a.Start(ctx, n)
		},
		healed: nothing,
	})
}

// ownKey is what the node shows the others; nil where nobody is asked who he is.
func ownKey(n *cluster.Node) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(n.DataDir(), "node.crt"), filepath.Join(n.DataDir(), "node.key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"sipcluster-grpc"}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}, err
}

// ownedByOthers are DNs in service whose owner is another node than n.
func ownedByOthers(ctx context.Context, ask, n *cluster.Node) []string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := ask.Availability().ListRoutable(ctx, &tcpb.ListRoutableRequest{})
	if err != nil {
		return nil
	}
	var out []string
	for _, d := range answer.GetDns() {
		if d.GetOwner() != n.Name() {
			out = append(out, d.GetDn())
		}
	}
	return out
}

// lying is the publisher's side of a link, as a liar plays it.
type lying struct {
	peerpb.UnimplementedTControllerServer
	place  *cluster.Place
	port   uint16
	claims []string
	key    *tls.Config // of the node, where it has one
	server *grpc.Server

	followed chan struct{} // closed when a follower took the claims
	once     sync.Once

	mu        sync.Mutex
	followers map[string]int // how often each came, by id
}

func (l *lying) start(ctx context.Context) error {
	var ln net.Listener
	_, err := cluster.Eventually(ctx, 2*time.Second, "the port of the killed node is free", func(ctx context.Context) (err error) {
		ln, err = l.place.Listen(ctx, l.port)
		return err
	})
	if err != nil {
		return err
	}
	if l.key != nil {
		ln = tls.NewListener(ln, l.key)
	}
	l.server = grpc.NewServer()
	peerpb.RegisterTControllerServer(l.server, l)
	go func() { _ = l.server.Serve(ln) }() // until Stop
	return nil
}

// heardOut waits until some node heard the lies to the end.
func (l *lying) heardOut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case <-l.followed:
		return nil
	case <-ctx.Done():
		return errors.New("nobody follows the false peer")
	}
}

// Follow sends the follower away once, to know them all; then it lies in the
// name of another node; from then on it claims what belongs to others.
func (l *lying) Follow(stream grpc.BidiStreamingServer[peerpb.FollowRequest, peerpb.FollowResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	other, times := l.visit(hello.GetFollower())
	if times == 1 {
		return errors.New("come again")
	}
	say := func(m *peerpb.FollowResponse) {
		if err == nil {
			err = stream.Send(m)
		}
	}
	if times == 2 && other != "" {
		say(helloOf(other, math.MaxInt64))
	} else {
		say(helloOf(hello.GetPublisher(), max(1, hello.GetResumeIncarnation())))
		say(l.records(0))
	}
	say(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_EndOfSync{EndOfSync: &peerpb.EndOfSync{Seq: hello.GetResumeSeq() + 1}}})
	for seq := hello.GetResumeSeq() + 2; err == nil; seq++ {
		var m *peerpb.FollowRequest
		if m, err = stream.Recv(); err != nil {
			return err
		}
		p := m.GetPing()
		say(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_Pong{Pong: &peerpb.Pong{
			SentMono: p.GetSentMono(), SentWall: p.GetSentWall(), PublisherWall: time.Now().UnixNano()}}})
		if seq%10 == 0 {
			say(l.records(seq))
			l.once.Do(func() { close(l.followed) })
		}
	}
	return err
}

func helloOf(publisher string, incarnation uint64) *peerpb.FollowResponse {
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_Hello{Hello: &peerpb.PublisherHello{Publisher: publisher, Incarnation: incarnation}}}
}

// visit counts the follower's visits and names another follower, "" when none came.
func (l *lying) visit(follower string) (other string, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followers[follower]++
	for id := range l.followers {
		if id != follower {
			other = id
		}
	}
	return other, l.followers[follower]
}

// records claims DNs of others, and says what nobody can mean.
func (l *lying) records(seq uint64) *peerpb.FollowResponse {
	b := &peerpb.RecordBatch{Seq: seq}
	for i, dn := range l.claims {
		stamp := []int64{math.MaxInt64, math.MaxInt64 / 64 * 63}[i%2]
		b.Records = append(b.Records,
			&peerpb.Record{Dn: dn, ClaimTime: stamp, Seq: 1, State: tcpb.DNState_DN_STATE_IN_SRV, Reason: tcpb.Reason_REASON_REGISTERED, Since: 1},
			&peerpb.Record{Dn: dn, ClaimTime: -1, Seq: 2, State: tcpb.DNState_DN_STATE_IN_SRV, Reason: tcpb.Reason_REASON_REGISTERED},
			&peerpb.Record{Dn: dn + " ", ClaimTime: 1, State: 77, Reason: 77})
	}
	return &peerpb.FollowResponse{Body: &peerpb.FollowResponse_Records{Records: b}}
}
