package liar

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Claim is one way to be taken for a node. Try returns nil when it was: somebody did
// what only that node may ask for.
type Claim struct {
	What string
	Try  func(t *Thief, ctx context.Context, as, to *configpb.Node) error
}

// Claims are all ways to be a node at the cluster port of another one. A node that
// speaks for itself is taken in each.
func Claims() []Claim {
	return []Claim{
		{"follow by a link", (*Thief).follow},
		{"ask for a vote", (*Thief).vote},
		{"ask for a vote by a greeting of its own", (*Thief).voteGreeted},
		{"open a stream of SIP", (*Thief).sip},
		{"renew a reservation", (*Thief).renew},
		{"reserve an agent", (*Thief).reserve},
		{"put its entry of the roster", (*Thief).entry},
		{"ask how far a rotation is", (*Thief).progress},
		{"ask who is believed", (*Thief).learn},
	}
}

// Trespasses are what no node may do at all.
func Trespasses() []Claim {
	propose := func(what string, m func(t *Thief, as *configpb.Node) *configpb.Mutation) Claim {
		return Claim{what, func(t *Thief, ctx context.Context, as, to *configpb.Node) error {
			return t.propose(ctx, to, m(t, as))
		}}
	}
	return []Claim{
		propose("write a DN", func(*Thief, *configpb.Node) *configpb.Mutation {
			return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "666", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+1"}}}
		}),
		propose("make itself an administrator", func(*Thief, *configpb.Node) *configpb.Mutation {
			return &configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: &configpb.Token{
				Id: "liarliarliar", SecretSha256: fmt.Sprintf("%064x", 7), Name: "liar", Role: configpb.Role_ROLE_ADMIN}}}
		}),
		propose("take a node off the roster", func(_ *Thief, as *configpb.Node) *configpb.Mutation {
			return &configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: as.GetId()}}
		}),
		propose("choose the authority", func(t *Thief, _ *configpb.Node) *configpb.Mutation {
			return &configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: t.view.Security()}}
		}),
		{"join without an invite", (*Thief).join},
		{"enter without an invite", (*Thief).enter},
	}
}

func (t *Thief) follow(ctx context.Context, as, to *configpb.Node) error {
	return t.call(to, identity.GRPC, func(conn *grpc.ClientConn) error {
		stream, err := peerpb.NewTControllerClient(conn).Follow(ctx)
		if err == nil {
			err = stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{
				ClusterId: t.view.Epoch(), Follower: as.GetId(), Publisher: to.GetId()}}})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	})
}

func (t *Thief) progress(ctx context.Context, as, to *configpb.Node) error {
	if as.GetId() != t.ID { // it has no name in it but that of the connection
		return ErrNameless
	}
	return t.call(to, identity.GRPC, func(conn *grpc.ClientConn) error {
		_, err := peerpb.NewKeysClient(conn).Progress(ctx, &peerpb.ProgressRequest{ClusterId: t.view.Epoch()})
		return err
	})
}

func (t *Thief) learn(ctx context.Context, as, to *configpb.Node) error {
	return t.call(to, identity.Join, func(conn *grpc.ClientConn) error {
		r, err := peerpb.NewEntranceClient(conn).Learn(ctx, &peerpb.LearnRequest{ClusterId: t.view.Epoch(), Node: as.GetId()})
		if err == nil && !r.GetMember() {
			err = errors.New("it is told that it is no member")
		}
		return err
	})
}

// ErrNameless says that a request names nobody: it is the connection's.
var ErrNameless = errors.New("nobody is named but by the certificate")

func (t *Thief) renew(ctx context.Context, as, to *configpb.Node) error {
	return t.call(to, identity.GRPC, func(conn *grpc.ClientConn) error {
		l := []*peerpb.Lease{{Dn: "0", Holder: as.GetId() + "/liar"}}
		_, err := peerpb.NewAgentsClient(conn).Renew(ctx, &peerpb.RenewRequest{Wanted: l, GivenBack: l})
		return err
	})
}

func (t *Thief) reserve(ctx context.Context, as, to *configpb.Node) error {
	return t.call(to, identity.GRPC, func(conn *grpc.ClientConn) error {
		_, err := peerpb.NewAgentsClient(conn).Reserve(ctx, &peerpb.ReserveRequest{Dn: "0", Holder: as.GetId() + "/liar", DurationMs: 1000})
		if status.Code(err) == codes.FailedPrecondition {
			return nil // it is not kept there: the request was looked at
		}
		return err
	})
}

func (t *Thief) entry(ctx context.Context, as, to *configpb.Node) error {
	return t.propose(ctx, to, &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: as}})
}

// requestID is another one for each proposal.
func requestID() string { return fmt.Sprintf("liar-%d", time.Now().UnixNano()) }

// propose proposes without any client's proof.
func (t *Thief) propose(ctx context.Context, to *configpb.Node, m *configpb.Mutation) error {
	return t.call(to, identity.GRPC, func(conn *grpc.ClientConn) error {
		_, err := peerpb.NewConsensusClient(conn).Propose(ctx, &peerpb.ProposeRequest{
			ClusterId: t.view.Epoch(), Command: &peerpb.Command{Version: 1, RequestId: requestID(), Mutations: []*configpb.Mutation{m}},
		})
		if status.Code(err) == codes.FailedPrecondition {
			return nil // it does not lead; the leader would have taken it
		}
		return err
	})
}

func (t *Thief) join(ctx context.Context, as, to *configpb.Node) error {
	return t.call(to, identity.GRPC, func(conn *grpc.ClientConn) error {
		_, err := peerpb.NewConsensusClient(conn).Join(ctx, &peerpb.JoinRequest{Node: as})
		return err
	})
}

func (t *Thief) enter(ctx context.Context, as, to *configpb.Node) error {
	return t.call(to, identity.Join, func(conn *grpc.ClientConn) error {
		mine := proto.CloneOf(as)
		mine.Id, mine.Name = "liar", "liar"
		_, err := peerpb.NewEntranceClient(conn).Enter(ctx, &peerpb.EnterRequest{Node: mine, Invite: "abcdefgh0123", Secret: []byte("0123456789abcdef0123456789abcdef")})
		return err
	})
}

func (t *Thief) call(to *configpb.Node, protocol string, fn func(*grpc.ClientConn) error) error {
	conn, err := t.grpc(to, protocol)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return fn(conn)
}

const (
	raftPreamble = "sipcRAFT"
	sipPreamble  = "sipcSIP\x00"
)

// vote asks for a vote in the name of a node, by a connection that is greeted in it.
func (t *Thief) vote(ctx context.Context, as, to *configpb.Node) error {
	return t.ballot(ctx, as.GetId(), as, to)
}

// voteGreeted asks for it by a connection that is greeted in the thief's own name.
func (t *Thief) voteGreeted(ctx context.Context, as, to *configpb.Node) error {
	return t.ballot(ctx, t.ID, as, to)
}

func (t *Thief) ballot(ctx context.Context, greeted string, as, to *configpb.Node) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	way := &raftWay{dial: func() (net.Conn, error) { return t.greeted(ctx, greeted, to) }, closed: make(chan struct{})}
	n := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: way, Timeout: patience, Logger: hclog.NewNullLogger()})
	defer func() { _ = n.Close() }()
	return preVote(n, as, to)
}

// greeted is a connection of Raft that is greeted in a name.
func (t *Thief) greeted(ctx context.Context, name string, to *configpb.Node) (net.Conn, error) {
	conn, err := t.dial(ctx, to, identity.Raft, raftPreamble)
	if err != nil {
		return nil, err
	}
	var hello []byte
	for _, word := range []string{t.view.Epoch(), to.GetId(), name} {
		hello = append(append(hello, byte(len(word))), word...)
	}
	_, err = conn.Write(hello)
	return conn, err
}

// preVote asks for what changes nothing.
func preVote(n *raft.NetworkTransport, as, to *configpb.Node) error {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(as.GetId()), Addr: []byte(as.GetClusterAddr())}
	return n.RequestPreVote(raft.ServerID(to.GetId()), raft.ServerAddress(to.GetClusterAddr()), &raft.RequestPreVoteRequest{RPCHeader: header, Term: 1}, &raft.RequestPreVoteResponse{})
}

// raftWay dials, and takes nothing.
type raftWay struct {
	dial   func() (net.Conn, error)
	closed chan struct{}
}

func (w *raftWay) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) { return w.dial() }

func (w *raftWay) Accept() (net.Conn, error) {
	<-w.closed
	return nil, net.ErrClosed
}

func (w *raftWay) Close() error {
	close(w.closed)
	return nil
}

func (w *raftWay) Addr() net.Addr { return &net.TCPAddr{} }

// Answers to the greeting of a stream of SIP.
const (
	sipWelcome  = 0
	sipWrongWay = 4 // who it is is believed; it ought to be dialled
)

func (t *Thief) sip(ctx context.Context, as, to *configpb.Node) error {
	const noSlot = 200 // nobody's stream is to be replaced
	conn, answer, err := t.hello(ctx, noSlot, as, to)
	if err != nil {
		return err
	}
	_ = conn.Close()
	if answer != sipWelcome && answer != sipWrongWay {
		return fmt.Errorf("the answer to the greeting is %d", answer)
	}
	return nil
}

// hello greets by a connection that is to be a stream of SIP.
func (t *Thief) hello(ctx context.Context, slot byte, as, to *configpb.Node) (net.Conn, byte, error) {
	conn, err := t.dial(ctx, to, identity.SIP, sipPreamble)
	if err != nil {
		return nil, 0, err
	}
	hello := []byte{1, slot}
	for _, id := range []string{as.GetId(), to.GetId()} {
		hello = append(append(hello, byte(len(id))), id...)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	var answer [1]byte
	if _, err = conn.Write(hello); err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err != nil {
		_ = conn.Close()
		return nil, 0, err
	}
	return conn, answer[0], conn.SetDeadline(time.Time{})
}

// frame is a message on a stream of SIP.
func frame(message string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}
