package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/directory"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/problem"
)

const (
	// metLately is how old a word may be that counts for an election: less than the
	// time without a leader in which nobody stands for one.
	metLately = time.Second
	// probeTime is how long the first process of a node may take to answer, before
	// another one counts as its restart: less than the bound by which a node is lost.
	probeTime = 700 * time.Millisecond
	// meetTime bounds a meeting, the probe of the other side within.
	meetTime = 2 * time.Second
	// greetTime is how long a node that starts waits for the word of the others; one that
	// was refused waits meetTime longer for the reason.
	greetTime = time.Second
)

// at is a node's entry of the roster with the addresses that it has at present.
func (n *Node) at(node *configpb.Node) *configpb.Node {
	if node == nil {
		return nil
	}
	return n.directory.At(node)
}

// clusterAddr is where a node of that id can be dialled, "" when unknown.
func (n *Node) clusterAddr(id string) string {
	return n.at(n.machine.View().Node(id)).GetClusterAddr()
}

// own is this node's entry of the roster as it should be: once the roster has had the
// addresses that this process has, it may be mended by hand.
func (n *Node) own() *configpb.Node {
	present := n.machine.View().Node(n.id.ID)
	if present == nil || !slices.Equal(n.id.told(), addressesOf(n.self())) {
		return n.self()
	}
	own := proto.CloneOf(n.self())
	own.SipAddr, own.DefaultAddr, own.TcAddr, own.HttpAddr = present.GetSipAddr(), present.GetDefaultAddr(), present.GetTcAddr(), present.GetHttpAddr()
	own.ClusterAddr, own.GossipAddr = present.GetClusterAddr(), present.GetGossipAddr()
	return own
}

func addressesOf(n *configpb.Node) []string {
	return []string{n.GetSipAddr(), n.GetDefaultAddr(), n.GetTcAddr(), n.GetClusterAddr(), n.GetGossipAddr(), n.GetHttpAddr()}
}

// keepTold remembers what the roster has been told, over a restart too.
func (n *Node) keepTold() {
	present := n.machine.View().Node(n.id.ID)
	if present == nil || !slices.Equal(addressesOf(present), addressesOf(n.self())) || slices.Equal(n.id.told(), addressesOf(n.self())) {
		return
	}
	n.keep(addressesOf(n.self()))
}

// forgetTold forgets it when the node has other addresses now: back at the former ones
// it says them anew, since the roster may have had others meanwhile.
func (n *Node) forgetTold() {
	if before := n.id.told(); len(before) > 0 && !slices.Equal(before, addressesOf(n.self())) {
		n.keep(nil)
	}
}

func (n *Node) keep(told []string) {
	if err := n.id.tell(told); err != nil {
		n.log.Warn("what the roster was told of this node's addresses is not kept", "err", err)
	}
}

// presence is what this process says of itself to the others.
func (n *Node) presence() *peerpb.Presence {
	p := n.port.Self.Presence()
	p.Node = proto.CloneOf(n.own())
	p.Node.KeySha256, p.Node.Revision = nil, 0
	if group := n.leads.Load(); group != nil && group.Err() == nil { // one that failed has no log, and takes no part
		p.Leaderless, p.LastLog = group.Status().Leader == "", group.LastLog()
	}
	return p
}

// directoryServer is the service Directory.
type directoryServer struct {
	peerpb.UnimplementedDirectoryServer
	n *Node
}

// Meet takes the word of another node, and gives this one's.
func (d directoryServer) Meet(ctx context.Context, r *peerpb.MeetRequest) (*peerpb.MeetResponse, error) {
	n, me := d.n, r.GetMe()
	if ours := n.lineage(); r.GetClusterId() != ours {
		n.strayed(ctx, me.GetNode().GetId(), r.GetClusterId())
		return nil, status.Errorf(codes.PermissionDenied, "this node is of cluster %s, not of %.64q", ours, r.GetClusterId())
	}
	id := me.GetNode().GetId()
	if from, _ := identity.PeerOf(ctx); from != "" && from != id {
		return nil, n.liar(from)
	}
	view := n.machine.View()
	entry := view.Node(id)
	if entry == nil {
		_ = grpc.SetTrailer(ctx, metadata.Pairs(rosterIndex, strconv.FormatUint(view.Index(), 10))) // then the node finds out otherwise
	}
	if entry == nil || id == n.id.ID && me.GetInstance() == n.port.Self.Instance {
		return nil, status.Errorf(codes.NotFound, "node %.64q is not on the roster", id)
	}
	if err := n.admit(ctx, me, entry); err != nil {
		return nil, err
	}
	return &peerpb.MeetResponse{Me: n.presence(), Others: n.directory.Words(), MaxClaim: n.table.MaxClaim()}, nil
}

// strayLately is for how long a node that follows another recovery is told of: it says
// so each second.
const strayLately = 10 * time.Second

// strayed notes a node of the roster that follows another recovery of this cluster.
func (n *Node) strayed(ctx context.Context, id, lineage string) {
	from, _ := identity.PeerOf(ctx)
	cluster, _ := fsm.SplitLineage(lineage)
	if own, _ := fsm.SplitLineage(n.lineage()); cluster == own && (from == "" || from == id) && n.machine.View().Node(id) != nil {
		n.directory.Stray(id, lineage)
	}
}

// strays are told of: neither side hears the other until somebody decides.
func (n *Node) strays(report func(problem.Problem)) {
	follows := func(lineage string) string {
		if _, recovery := fsm.SplitLineage(lineage); recovery != "" {
			return "recovery " + recovery
		}
		return "no recovery"
	}
	for id, lineage := range n.directory.Strays(time.Now().Add(-strayLately)) {
		name := n.nameOf(dn.Node(id))
		report(problem.Problem{
			Code: "another-recovery", Subject: name, Text: "node " + name + " follows " + follows(lineage) + " of this cluster and this node follows " + follows(n.lineage()) + ": neither hears the other",
			Advice: "decide which of them goes on, and start the other with --join of that one and --accept-recovery",
		})
	}
}

// admit takes a process for the node that it says it is, unless another one is. Who
// says no address is known by the process alone.
func (n *Node) admit(ctx context.Context, me *peerpb.Presence, entry *configpb.Node) error {
	if me.GetInstance() == 0 {
		return nil // a program of before
	}
	err := n.directory.Admit(me, entry, func(addr string) *peerpb.Presence {
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		return n.port.WhoIs(ctx, addr)
	})
	if second := (*directory.Second)(nil); errors.As(err, &second) {
		n.cloned(entry, me.GetNode().GetClusterAddr(), second)
		s, _ := status.New(codes.AlreadyExists, err.Error()).WithDetails(&errdetails.ErrorInfo{Domain: meetDomain, Reason: "SECOND", Metadata: map[string]string{"addr": second.Addr}})
		return s.Err()
	}
	if me.GetNode().GetClusterAddr() == "" {
		me = proto.CloneOf(me)
		me.Node = n.at(entry)
	}
	n.take(ctx, me, entry, "")
	return nil
}

// rosterIndex names the trailer by which a node that is not on the roster learns how
// recent that is.
const rosterIndex = "sipcluster-roster-index"

func (n *Node) refusedAsOf(trailer metadata.MD) {
	for _, v := range trailer.Get(rosterIndex) {
		if index, err := strconv.ParseUint(v, 10, 64); err == nil {
			n.refused(index)
		}
	}
}

// meetDomain is that of the ErrorInfo that names the first process of a node.
const meetDomain = "directory.sipcluster"

// cloned tells of a second process of a node.
func (n *Node) cloned(entry *configpb.Node, addr string, first *directory.Second) {
	n.events.Event(security.NodeCloned, "peer", entry.GetName(), "addr", addr, "first", first.Addr)
	n.problems.Begin(problem.Problem{
		Code: "clone", Subject: entry.GetName(), Text: "a second process of node " + entry.GetName() + " at " + addr + " was refused: the first one is at " + first.Addr,
		Advice: "stop the copy, and give it a data directory of its own",
	})
	time.AfterFunc(clonedFor, func() { n.problems.End("clone", entry.GetName()) })
}

// clonedFor is how long status tells of a clone that was refused.
const clonedFor = 5 * time.Minute

// take notes what a node said of itself, and has everybody dial it where it is. An
// address that is new counts when the node answers there; otherwise it is where it was
// met, or was known to be.
func (n *Node) take(ctx context.Context, said *peerpb.Presence, entry *configpb.Node, met string) {
	known, claimed := n.at(entry), said.GetNode().GetClusterAddr()
	believed := claimed == known.GetClusterAddr() || claimed == met || n.isAt(ctx, said, claimed)
	if !believed {
		said = proto.CloneOf(said)
		said.Node = proto.CloneOf(known)
		said.Node.ClusterAddr = cmp.Or(met, known.GetClusterAddr())
	}
	if n.directory.Take(said, entry) {
		n.log.Info("a node has moved", "peer", entry.GetName(), "cluster", said.GetNode().GetClusterAddr())
		n.moved.Send()
	}
	if !believed {
		n.directory.Doubt(entry.GetId(), claimed)
	}
}

// isAt tells whether a process answers at an address.
func (n *Node) isAt(ctx context.Context, p *peerpb.Presence, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	there := n.port.WhoIs(ctx, addr)
	return there.GetNode().GetId() == p.GetNode().GetId() && there.GetInstance() == p.GetInstance()
}

// doubted are the nodes that say to be where they don't answer this one.
func (n *Node) doubted(report func(problem.Problem)) {
	view := n.machine.View()
	for id, addr := range n.directory.Doubted() {
		if node := n.at(view.Node(id)); node != nil && node.GetClusterAddr() != addr {
			report(problem.Problem{
				Code: "address-unreachable", Subject: node.GetName(), Text: "node " + node.GetName() + " says that it is at " + addr + ", where it does not answer; it is looked for at " + node.GetClusterAddr(),
				Advice: "check its --bind and --advertise",
			})
		}
	}
}

// meet asks who is at an address and gives the word of this process to it. A
// *directory.Second says that this node's first process is there.
func (n *Node) meet(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, meetTime)
	defer cancel()
	there := n.port.WhoIs(ctx, addr)
	view := n.machine.View()
	entry := view.Node(there.GetNode().GetId())
	switch {
	case entry == nil:
		return nil
	case entry.GetId() == n.id.ID:
		return n.metItself(there, addr)
	}
	conn, err := n.dialGRPC(entry.GetId(), addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	var trailer metadata.MD
	answer, err := peerpb.NewDirectoryClient(conn).Meet(ctx, &peerpb.MeetRequest{ClusterId: n.lineage(), Me: n.presence()}, grpc.Trailer(&trailer))
	if status.Code(err) == codes.NotFound {
		n.refusedAsOf(trailer)
	}
	if err != nil {
		return n.refusedBy(ctx, err)
	}
	if answer.GetMe().GetNode().GetId() != entry.GetId() {
		return nil
	}
	n.take(ctx, answer.GetMe(), entry, addr)
	n.table.Surpass(answer.GetMaxClaim())
	for _, w := range answer.GetOthers() {
		if view.Node(w.GetNode()) != nil && w.GetNode() != n.id.ID {
			n.directory.Hint(w.GetNode(), w.GetAddr())
		}
	}
	return nil
}

func (n *Node) metItself(there *peerpb.Presence, addr string) error {
	if there.GetInstance() == n.port.Self.Instance || !directory.Before(there, n.port.Self.Presence()) {
		return nil
	}
	return &directory.Second{Name: n.cfg.Name, Addr: addr, Up: time.Duration(there.GetUpMs()) * time.Millisecond}
}

// refusedBy looks for itself whether the first process of this node is where another
// one says: nobody's word ends a node.
func (n *Node) refusedBy(ctx context.Context, err error) error {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == meetDomain {
			addr := info.GetMetadata()["addr"]
			if there := n.port.WhoIs(ctx, addr); there.GetNode().GetId() == n.id.ID {
				return n.metItself(there, addr)
			}
		}
	}
	return err
}

// greet tells the others of this process before it takes part, so that a copy of
// another machine's data directory never does. Nobody answering keeps it from nothing.
func (n *Node) greet(ctx context.Context) error {
	if n.id.ClusterID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, greetTime+meetTime)
	defer cancel()
	enough := time.After(greetTime)
	var asking atomic.Int32 // who was refused waits for the reason
	own := n.machine.View().Node(n.id.ID)
	looking, found := context.WithTimeout(ctx, greetTime)
	addrs := n.candidates(looking, func(string) bool { return true })
	found()
	if a := own.GetClusterAddr(); a != "" && a != n.self().GetClusterAddr() {
		addrs = append(addrs, a)
	}
	met := make(chan error, len(addrs))
	for _, a := range addrs {
		go func() { met <- n.greetAt(ctx, a, &asking) }()
	}
	var first error
	late := false                                                       // who has not answered by now is asked again, by seek
	for left := len(addrs); left > 0 && (!late || asking.Load() > 0); { // those who refuse a copy shall know of it
		select {
		case err := <-met:
			left--
			if second := (*directory.Second)(nil); errors.As(err, &second) {
				first = second
			}
		case <-enough:
			late = true
		case <-ctx.Done():
			return first
		}
	}
	return first
}

// greetAt meets who is at an address. One that does not take this node for what it is may
// know of its removal, or believe only who was signed for meanwhile: it is asked in the way
// for which the node's key is enough.
func (n *Node) greetAt(ctx context.Context, addr string, asking *atomic.Int32) error {
	err := n.meet(ctx, addr)
	if second := (*directory.Second)(nil); err == nil || n.who == nil || errors.As(err, &second) {
		return err
	}
	asking.Add(1)
	defer asking.Add(-1)
	there := n.machine.View().Node(n.port.WhoIs(ctx, addr).GetNode().GetId())
	if there == nil || there.GetId() == n.id.ID {
		return err
	}
	if learned := n.learn(ctx, there); learned != nil || n.isRemoved() {
		return cmp.Or(learned, err)
	}
	return n.meet(ctx, addr)
}

// reach looks whether a node that would join answers where it says it is, by its id
// and its key. Others have to find it there too.
func (n *Node) reach(ctx context.Context, node *configpb.Node) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	addr := node.GetClusterAddr()
	there, key, err := n.port.Who(ctx, addr)
	var why string
	switch {
	case err != nil:
		why = err.Error()
	case there.GetNode().GetId() != node.GetId():
		why = "another node answers there"
	case n.who != nil && !slices.Contains(node.GetKeySha256(), key):
		why = "who answers there has another key"
	default:
		return nil
	}
	return fmt.Errorf("node %s can't be reached from %s at the address %s that it tells: %s: give it a --bind (or a --cluster-addr) at which the others reach it", node.GetName(), n.cfg.Name, addr, why)
}
