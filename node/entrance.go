package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/intake"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

const (
	// maxEntering bounds the connections of those who want to come in, who may be
	// anybody, of one source maxEnteringEach; enteringLife is how long each lasts.
	maxEntering, maxEnteringEach = 64, 16
	enteringLife                 = 20 * time.Second
)

// serveEntrance serves those who are no nodes yet, until the context ends.
func (n *Node) serveEntrance(ctx context.Context) error {
	s := newGRPC(n.log, grpc.Creds(tcontroller.Credentials()),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: enteringLife, MaxConnectionAge: enteringLife, MaxConnectionAgeGrace: enteringLife}))
	peerpb.RegisterEntranceServer(s, entrance{n: n})
	all := intake.Share(maxEntering, intake.EnteringPart)
	return serveGRPC(ctx, s, &lobby{Listener: n.port.Join, crowd: intake.Crowd{Most: all, Each: min(maxEnteringEach, all)}})
}

// lobby is a listener whose connections are those of a crowd.
type lobby struct {
	net.Listener
	crowd intake.Crowd
}

// Accept implements net.Listener.
func (l *lobby) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &newcomer{Conn: conn}
	c.leave = sync.OnceFunc(l.crowd.Enter(conn))
	return c, nil
}

type newcomer struct {
	net.Conn
	leave func()
}

// NetConn is the connection below.
func (g *newcomer) NetConn() net.Conn { return g.Conn }

func (g *newcomer) Close() error {
	g.leave()
	return g.Conn.Close()
}

// entrance is the service of that name: who asks is a key, and no more.
type entrance struct {
	peerpb.UnimplementedEntranceServer
	n *Node
}

// Enter takes a node in by its invite.
func (e entrance) Enter(ctx context.Context, r *peerpb.EnterRequest) (*peerpb.EnterResponse, error) {
	n, node := e.n, proto.CloneOf(r.GetNode())
	_, key := identity.PeerOf(ctx)
	if node == nil || key == "" {
		return nil, status.Error(codes.InvalidArgument, "a node joins with a name and a key")
	}
	if err := n.who.Trust().Holds(node.GetId(), key); errors.Is(err, identity.Distrusted) {
		n.events.Event(security.IdentityRefused, "peer", node.GetName(), "why", err.Error())
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	node.KeySha256 = []string{key}
	if present := n.machine.View().Node(node.GetId()).GetKeySha256(); len(present) == 0 || present[0] != key { // else the answer was lost
		err := e.admit(ctx, &configpb.Join{Node: node, Invite: r.GetInvite(), Secret: r.GetSecret()})
		if errors.Is(err, fsm.ErrInvite) {
			n.events.Event(security.AuthFailed, "what", "invite", "from", sourceOf(ctx), "node", node.GetName(), "why", err.Error())
		}
		if err != nil {
			return nil, consensus.StatusError(err)
		}
		n.events.Event(security.NodeJoined, "peer", node.GetName(), "from", sourceOf(ctx), "invite", r.GetInvite())
	}
	view := n.machine.View()
	return &peerpb.EnterResponse{Trust: trustOf(view), Authorities: view.Security().GetAuthorities(), Seal: n.who.Seal()}, nil
}

// admit writes nothing down for whoever has no invite that counts: a stranger fills
// no log.
func (e entrance) admit(ctx context.Context, join *configpb.Join) error {
	now := func() uint64 { return uint64(time.Now().UnixMilli()) }
	if e.n.machine.View().MayJoin(join, now()) != nil { // this node may be behind
		if err := e.n.group.ReadIndex(ctx); err != nil {
			return err
		}
		if err := e.n.machine.View().MayJoin(join, now()); err != nil {
			return fmt.Errorf("%w: %w", fsm.ErrRejected, err)
		}
	}
	m := &configpb.Mutation{Op: &configpb.Mutation_Join{Join: join}}
	_, err := e.n.group.Propose(ctx, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{m}})
	return err
}

func sourceOf(ctx context.Context) string {
	if p, ok := grpcpeer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// Learn tells a node that fell behind whom to believe.
func (e entrance) Learn(ctx context.Context, r *peerpb.LearnRequest) (*peerpb.LearnResponse, error) {
	n, known := e.n, e.n.who.Known()
	_, key := identity.PeerOf(ctx)
	if ours := n.lineage(); r.GetClusterId() != ours {
		return nil, status.Errorf(codes.PermissionDenied, "this node is of cluster %s, not of %.64q", ours, r.GetClusterId())
	}
	switch why := n.who.Trust().Holds(r.GetNode(), key); {
	case errors.Is(why, identity.Distrusted), errors.Is(why, identity.OtherKey): // a member, but not by this key
		n.events.Event(security.IdentityRefused, "peer", r.GetNode(), "why", why.Error())
		return nil, status.Error(codes.PermissionDenied, why.Error())
	case why != nil:
		n.events.Event(security.IdentityRefused, "peer", r.GetNode(), "why", why.Error())
		return &peerpb.LearnResponse{Index: max(known.GetIndex(), n.machine.View().Index())}, nil // that it is no member is the answer
	}
	answer := &peerpb.LearnResponse{Member: true, Index: known.GetIndex(), Trust: known}
	if view := n.machine.View(); view.Index() >= known.GetIndex() { // else they are older than what this node knows
		answer.Authorities = view.Security().GetAuthorities()
	}
	return answer, nil
}

// enterBy joins by an invite: afterwards this node knows whom to believe, and has a
// certificate.
func (n *Node) enterBy(ctx context.Context) (lineage string, err error) {
	invite, err := readInvite(n.cfg.InviteFile)
	if err != nil {
		return "", fmt.Errorf("the invite: %w", err)
	}
	dial := func(_, addr string) (*grpc.ClientConn, error) {
		return n.dialEntrance(ctx, addr, n.who.Entering(invite))
	}
	answer, err := consensus.Ask(ctx, n.cfg.Join, dial, func(ctx context.Context, conn *grpc.ClientConn) (*peerpb.EnterResponse, error) {
		return peerpb.NewEntranceClient(conn).Enter(ctx, &peerpb.EnterRequest{Node: n.self(), Invite: invite.ID, Secret: invite.Secret})
	})
	if err != nil {
		return "", err
	}
	if answer.GetTrust().GetClusterId() != invite.Cluster {
		return "", errors.New("the member that answered is of another cluster than the invite")
	}
	if err := n.who.SetSeal(answer.GetSeal()); err != nil {
		return "", err
	}
	if err := n.who.Believe(answer.GetTrust()); err != nil {
		return "", err
	}
	return fsm.Lineage(invite.Cluster, answer.GetTrust().GetRecovery()), n.who.Renew(invite.Cluster, answer.GetAuthorities(), time.Now())
}

// maxInvite bounds the file of an invite, in bytes.
const maxInvite = 4096

func readInvite(file string) (identity.Invite, error) {
	var line []byte
	var err error
	switch file {
	case "":
		return identity.Invite{}, errors.New("--invite-file FILE is missing: get one with `sipcluster node invite` at a member")
	case "-":
		line, err = io.ReadAll(io.LimitReader(os.Stdin, maxInvite))
	default:
		line, err = credential.ReadSecret(file)
	}
	if err != nil {
		return identity.Invite{}, err
	}
	return identity.ParseInvite(string(line))
}

// dialEntrance connects with the key alone.
func (n *Node) dialEntrance(ctx context.Context, addr string, settings *tls.Config) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(ctx, port.OpenTimeout)
	defer cancel()
	conn, err := n.fabric.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return over(secured, addr)
}

// learnEach is how often a node without a leader asks.
const learnEach = time.Second

// keepLearning asks the others while this node knows no leader: it may have been
// away for so long that it would not believe the present one, or nobody believes it
// any more. For the answer its key is enough.
func (n *Node) keepLearning(ctx context.Context) error {
	tick := beat.New(learnEach)
	defer tick.Stop()
	for at := 0; ; at++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tick.Again()
		}
		nodes := n.who.Known().GetNodes()
		if n.group.Status().Leader != "" || len(nodes) == 0 {
			continue
		}
		if node := nodes[at%len(nodes)]; node.GetId() != n.id.ID {
			if err := n.learn(ctx, node); err != nil {
				n.log.Debug("asking whom to believe", "peer", node.GetName(), "err", err)
			}
		}
	}
}

func (n *Node) learn(ctx context.Context, node *configpb.Node) error {
	ctx, cancel := context.WithTimeout(ctx, port.OpenTimeout)
	defer cancel()
	conn, err := n.dialEntrance(ctx, n.at(node).GetClusterAddr(), n.who.Learning(node.GetId()))
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := peerpb.NewEntranceClient(conn).Learn(ctx, &peerpb.LearnRequest{ClusterId: n.lineage(), Node: n.id.ID})
	switch {
	case err != nil:
		return err
	case !answer.GetMember():
		n.refused(answer.GetIndex())
	case answer.GetTrust().GetClusterId() == n.id.ClusterID && answer.GetTrust().GetIndex() > n.who.Known().GetIndex():
		n.log.Info("learned whom to believe", "peer", node.GetName(), "index", answer.GetIndex())
		err := errors.Join(n.who.Believe(answer.GetTrust()), n.who.Renew(n.id.ClusterID, answer.GetAuthorities(), time.Now()))
		n.recheck()
		return err
	}
	return nil
}
