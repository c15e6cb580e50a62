package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// routeKeyLife is how long a key of routes is understood after the next one is used:
// what was signed by it is in the phones for a day.
const routeKeyLife = 25 * time.Hour

// nextSecurity is the next step of the rotations that go on, nil when none can be
// taken: a new key or authority is made known, then used, then the old one leaves,
// each when all have the step before. installed tells whether every node that is
// heard uses what s says, renewed whether every node of the roster, heard or not, has
// a certificate of its first authority.
func nextSecurity(s *configpb.Security, now uint64, installed, renewed bool) *configpb.Security {
	next := proto.CloneOf(s)
	if a := next.GetAuthorities(); len(a) == 2 {
		switch newer := a[1].GetMadeMs() > a[0].GetMadeMs(); {
		case newer && installed:
			a[0], a[1] = a[1], a[0]
		case !newer && renewed:
			next.Authorities = a[:1]
		}
	}
	if installed {
		stepRing(next.GetGossip(), now, 0)
		stepRing(next.GetRoutes(), now, routeKeyLife)
	}
	if proto.Equal(next, s) {
		return nil
	}
	return next
}

// stepRing uses the last key, or drops those before it when that was made longer
// than life ago.
func stepRing(r *configpb.Keyring, now uint64, life time.Duration) {
	last := r.GetKeys()[len(r.GetKeys())-1]
	switch {
	case r.GetPrimary() != last.GetId():
		r.Primary = last.GetId()
	case now >= last.GetMadeMs()+uint64(life.Milliseconds()):
		r.Keys = r.Keys[len(r.Keys)-1:]
	}
}

const (
	// stepEach is the least time between two steps: what is under way by then was
	// sent before the last one.
	stepEach = 2 * time.Second
	// renewStreams bounds how long the streams of SIP take to go on under another key.
	renewStreams = 20 * time.Second
	// progressTimeout bounds what a node is asked for it.
	progressTimeout = time.Second
)

// rotate takes the steps of the rotations, at the leader those of the cluster and
// everywhere that of the node's own key.
func (n *Node) rotate(ctx context.Context) error {
	tick := time.NewTicker(stepEach)
	defer tick.Stop()
	held := lasting.New(n.log, slog.LevelWarn, "the next key of this node is not used yet", "the key of this node is the one to use")
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		view := n.machine.View()
		if n.group.Status().State == "leader" {
			n.rotateShared(ctx, view)
		}
		if err := n.rotateOwn(ctx, view); err != nil {
			held.Met("err", err)
		} else {
			held.Over()
		}
		n.removeDistrusted(ctx, view)
	}
}

func (n *Node) rotateShared(ctx context.Context, view *fsm.View) {
	s := view.Security()
	if nextSecurity(s, ^uint64(0), true, true) == nil {
		return // nothing goes on
	}
	progress := n.progress(ctx, view)
	renewed := !slices.ContainsFunc(progress, func(p nodeProgress) bool {
		return p.answer.GetAuthoritySha256() != identity.Fingerprint(s.GetAuthorities()[0].GetCertificate())
	})
	next := nextSecurity(s, uint64(time.Now().UnixMilli()), installed(progress, s.GetRevision()), renewed)
	if next == nil {
		return
	}
	m := &configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: next}, IfRevision: proto.Uint64(s.GetRevision())}
	if _, err := n.group.Propose(ctx, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{m}}); err != nil {
		n.log.Info("a step of a rotation is to be tried again", "err", err)
		return
	}
	n.log.Info("rotation: the next step", "authorities", len(next.GetAuthorities()), "gossip", next.GetGossip().GetPrimary(), "routes", next.GetRoutes().GetPrimary())
}

// rotateOwn brings the node's next key into the roster, uses it when all have it, and
// takes the old one out.
func (n *Node) rotateOwn(ctx context.Context, view *fsm.View) error {
	self, keys := view.Node(n.id.ID), n.who.Fingerprints()
	have := self.GetKeySha256()
	switch {
	case self == nil || slices.Equal(have, keys) && len(keys) == 1 || !slices.Contains(have, keys[0]):
		return nil // nothing goes on; or the roster does not know this node, and nobody would listen
	case slices.Equal(have, keys):
		if waiting := behind(n.progress(ctx, view), self.GetRevision()); len(waiting) > 0 {
			n.log.Info("the next key of this node waits until every node knows it", "waiting_for", waiting)
			return nil
		}
		if err := n.who.Promote(); err != nil {
			return err
		}
		if err := n.who.Renew(view.Epoch(), view.Security().GetAuthorities(), time.Now()); err != nil {
			return err
		}
		n.log.Info("this node uses its next key")
		renewing, cancel := context.WithTimeout(ctx, renewStreams)
		n.sip.RenewPeers(renewing) // those under the old one end with it
		cancel()
		keys = n.who.Fingerprints()
	}
	next := proto.CloneOf(self)
	next.KeySha256 = keys
	m := &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: next}, IfRevision: proto.Uint64(self.GetRevision())}
	_, err := n.group.Propose(ctx, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{m}})
	return err
}

// nodeProgress is what a node says of its keys; no answer counts as none.
type nodeProgress struct {
	node   *configpb.Node
	heard  bool
	answer *peerpb.ProgressResponse
}

// installed tells whether every node that is heard uses the configuration of that
// index.
func installed(all []nodeProgress, index uint64) bool {
	return !slices.ContainsFunc(all, func(p nodeProgress) bool { return p.heard && p.answer.GetInstalled() < index })
}

// behind names the nodes of the roster, heard or not, that do not use the configuration of
// that index. A node's next key waits for all: who was away while every other node changed
// its key would know nobody any more.
func behind(all []nodeProgress, index uint64) (names []string) {
	for _, p := range all {
		if p.answer.GetInstalled() < index {
			names = append(names, p.node.GetName())
		}
	}
	return names
}

// progress asks every node of the roster.
func (n *Node) progress(ctx context.Context, view *fsm.View) []nodeProgress {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	heard := map[dn.Node]bool{dn.Node(n.id.ID): true}
	for _, p := range n.mesh.Status() {
		heard[p.ID] = p.Heard
	}
	nodes := view.Nodes()
	answers := make(chan nodeProgress, len(nodes))
	for _, node := range nodes {
		go func() {
			p := nodeProgress{node: node, heard: heard[dn.Node(node.GetId())]}
			p.answer, _ = n.progressOf(ctx, node)
			answers <- p
		}()
	}
	all := make([]nodeProgress, 0, len(nodes))
	for range nodes {
		all = append(all, <-answers)
	}
	return all
}

func (n *Node) progressOf(ctx context.Context, node *configpb.Node) (*peerpb.ProgressResponse, error) {
	if node.GetId() == n.id.ID {
		return n.ownProgress(), nil
	}
	conn, err := n.peers.conn(dn.Node(node.GetId()))
	if err != nil {
		return nil, err
	}
	return peerpb.NewKeysClient(conn).Progress(ctx, &peerpb.ProgressRequest{ClusterId: n.lineage()})
}

func (n *Node) ownProgress() *peerpb.ProgressResponse {
	p := &peerpb.ProgressResponse{Installed: n.installed.Load()}
	if c := n.who.Certificate(); c != nil {
		p.AuthoritySha256 = identity.Issuer(c.Leaf, n.who.Trust().Authorities)
		p.ExpiresMs = uint64(c.Leaf.NotAfter.UnixMilli())
	}
	return p
}

// keysServer is the service Keys.
type keysServer struct {
	peerpb.UnimplementedKeysServer
	n *Node
}

// Progress tells how far this node is.
func (k keysServer) Progress(_ context.Context, r *peerpb.ProgressRequest) (*peerpb.ProgressResponse, error) {
	if r.GetClusterId() != k.n.lineage() {
		return nil, status.Error(codes.PermissionDenied, "this node is of another cluster")
	}
	return k.n.ownProgress(), nil
}

// nodeKeys is the node for service Access.
type nodeKeys struct{ n *Node }

func (n *Node) nodeKeys() api.NodeKeys {
	if n.who == nil {
		return nil
	}
	return nodeKeys{n}
}

// Rekey implements api.NodeKeys.
func (k nodeKeys) Rekey() (string, error) { return k.n.who.Rekey() }

// NextAuthority implements api.NodeKeys.
func (k nodeKeys) NextAuthority() (*configpb.Authority, error) {
	return nextAuthority(k.n.machine.View().Security().GetAuthorities()[0], k.n.who.Seal())
}

// nextAuthority is a new one that the present one makes known.
func nextAuthority(present *configpb.Authority, seal []byte) (*configpb.Authority, error) {
	next, err := newAuthority(seal)
	if err != nil {
		return nil, err
	}
	before, err := identity.OpenAuthority(present, seal)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(next.GetCertificate())
	if err != nil {
		return nil, err
	}
	next.Previous = present.GetCertificate()
	next.Cross, err = before.Cross(c)
	return next, err
}

// NextKey implements api.NodeKeys.
func (k nodeKeys) NextKey(r *configpb.Keyring) *configpb.Key {
	return newRingKey(r.GetKeys()[len(r.GetKeys())-1].GetId() + 1)
}

// Certificates implements api.NodeKeys.
func (k nodeKeys) Certificates(ctx context.Context) (all []*configpb.NodeCertificate) {
	for _, p := range k.n.progress(ctx, k.n.machine.View()) {
		all = append(all, &configpb.NodeCertificate{Node: p.node.GetName(), AuthoritySha256: p.answer.GetAuthoritySha256(), ExpiresMs: p.answer.GetExpiresMs()})
	}
	slices.SortFunc(all, func(a, b *configpb.NodeCertificate) int { return strings.Compare(a.GetNode(), b.GetNode()) })
	return all
}

// Distrust implements api.NodeKeys.
func (k nodeKeys) Distrust(ctx context.Context, node *configpb.Node) error {
	n := k.n
	if node.GetId() == n.id.ID {
		return fmt.Errorf("%s is this node itself", node.GetName())
	}
	n.distrusted.Store(node.GetId(), access.From(ctx))
	err := n.who.Distrust(node.GetId(), node.GetName())
	n.recheck()
	n.events.Event(security.IdentityRefused, "peer", node.GetName(), "why", "distrusted here by an administrator")
	return err
}

// removeDistrusted takes off the roster who is distrusted here, for those who said
// so, as soon as that is possible.
func (n *Node) removeDistrusted(ctx context.Context, view *fsm.View) {
	_ = n.who.Forget(func(id string) bool { return view.Node(id) != nil })
	n.distrusted.Range(func(id, by any) bool {
		if view.Node(id.(string)) == nil {
			n.distrusted.Delete(id)
			return true
		}
		m := &configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: id.(string)}}
		_, err := n.group.Propose(access.With(ctx, by.(*access.Who)), &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{m}})
		if err == nil {
			n.log.Info("a node that is distrusted here is removed from the cluster", "peer", id)
			n.distrusted.Delete(id)
		}
		return true
	})
}
