package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip"
)

// secured tells whether the nodes of the cluster have keys of their own, and ask
// each other who they are.
func (c *Config) secured() bool { return !c.Insecure && len(c.ClusterKey) == 0 }

// openIdentity opens the node's key, unless nobody asks for it.
func (n *Node) openIdentity() (err error) {
	if !n.cfg.secured() {
		return nil
	}
	n.who, err = identity.Open(identity.Config{
		Dir: n.cfg.DataDir, ID: n.id.ID, Name: n.cfg.Name, Log: n.log, Damaged: n.damage.without,
		Refused: func(id string, why error) { n.events.Event(security.IdentityRefused, "peer", id, "why", why.Error()) },
	})
	if err != nil {
		return fmt.Errorf("the key of this node: %w", err)
	}
	n.self().KeySha256 = []string{n.who.Fingerprint()}
	n.guard = access.New(access.Config{View: n.machine.View, Watch: n.machine.Watch, Denied: n.denied.has, Events: n.events, Log: n.log})
	return nil
}

// checkMode refuses a node that would talk in clear in a cluster that does not, and
// the other way round: that is decided when the cluster is made.
func (n *Node) checkMode(view *fsm.View) error {
	switch secured := view.Security() != nil; {
	case view.Epoch() == "":
		return nil
	case secured && !n.cfg.secured():
		return errors.New("the nodes of this cluster know each other by their keys: start this one without --insecure and --cluster-key-file")
	case !secured && n.cfg.secured():
		return errors.New("this cluster was made with --insecure: start this node with --insecure too")
	}
	return nil
}

// foundation is what a cluster begins with whose nodes have keys: its authority and
// the keys that all nodes share.
func (n *Node) foundation() ([]*configpb.Mutation, error) {
	if n.who == nil {
		return nil, nil
	}
	if n.who.Seal() == nil {
		if err := n.who.SetSeal(identity.NewSeal()); err != nil {
			return nil, err
		}
	}
	authority, err := newAuthority(n.who.Seal())
	if err != nil {
		return nil, err
	}
	admin, err := n.firstAdmin()
	if err != nil {
		return nil, err
	}
	s := &configpb.Security{Authorities: []*configpb.Authority{authority}, Gossip: newRing(), Routes: newRing()}
	return []*configpb.Mutation{
		{Op: &configpb.Mutation_PutSecurity{PutSecurity: s}},
		{Op: &configpb.Mutation_PutToken{PutToken: &configpb.Token{
			Id: admin.ID, SecretSha256: admin.SHA256(), Name: "admin", Role: configpb.Role_ROLE_ADMIN,
		}}},
	}, nil
}

// adminFile of the data directory is the context of the first administrator.
const adminFile = "admin.context"

// firstAdmin is a token that is kept before the cluster has it: a bootstrap that is
// interrupted is completed with the same.
func (n *Node) firstAdmin() (credential.Token, error) {
	path := filepath.Join(n.cfg.DataDir, adminFile)
	b, err := credential.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		made := credential.NewToken()
		return made, n.writeAdmin(made.String())
	}
	if err != nil {
		return credential.Token{}, err
	}
	c, err := credential.ParseContext(b)
	if err != nil {
		return credential.Token{}, fmt.Errorf("%s: %w", path, err)
	}
	return credential.ParseToken(c.Token)
}

// writeAdmin writes the context as far as the cluster is known.
func (n *Node) writeAdmin(token string) error {
	c := credential.Context{Name: "admin", Cluster: n.id.ClusterID, Addresses: []string{n.self().GetTcAddr()}, Token: token}
	for _, a := range n.machine.View().Security().GetAuthorities() {
		c.Authorities = append(c.Authorities, identity.Fingerprint(a.GetCertificate()))
	}
	b, err := c.Encode()
	if err != nil {
		return err
	}
	return identity.WriteSecret(filepath.Join(n.cfg.DataDir, adminFile), b)
}

// tellAdmin completes the context of the first administrator.
func (n *Node) tellAdmin() error {
	if n.who == nil {
		return nil
	}
	admin, err := n.firstAdmin()
	if err == nil {
		err = n.writeAdmin(admin.String())
	}
	if err == nil {
		n.log.Info("the first administrator's context is written: sipcluster login --file", "file", filepath.Join(n.cfg.DataDir, adminFile))
		err = n.founded()
	}
	return err
}

// founded tells of the cluster that this node made.
func (n *Node) founded() error {
	if n.cfg.Founded == nil {
		return nil
	}
	path := filepath.Join(n.cfg.DataDir, adminFile)
	b, err := credential.ReadSecret(path)
	if err != nil {
		return err
	}
	c, err := credential.ParseContext(b)
	if err == nil {
		n.cfg.Founded(path, c)
	}
	return err
}

func newAuthority(seal []byte) (*configpb.Authority, error) {
	a, err := identity.NewAuthority(time.Now())
	if err != nil {
		return nil, err
	}
	sealed, err := a.Seal(seal)
	if err == nil {
		sealed.MadeMs = uint64(time.Now().UnixMilli())
	}
	return sealed, err
}

func newRing() *configpb.Keyring {
	return &configpb.Keyring{Keys: []*configpb.Key{newRingKey(1)}, Primary: 1}
}

func newRingKey(id uint32) *configpb.Key {
	k := &configpb.Key{Id: id, Secret: make([]byte, fsm.RingKey), MadeMs: uint64(time.Now().UnixMilli())}
	_, _ = rand.Read(k.Secret) // never fails
	return k
}

// primaryFirst are the keys of a ring in the order in which they are tried.
func primaryFirst(r *configpb.Keyring) []*configpb.Key {
	at := slices.IndexFunc(r.GetKeys(), func(k *configpb.Key) bool { return k.GetId() == r.GetPrimary() })
	if at < 0 {
		return nil
	}
	others := slices.Delete(slices.Clone(r.GetKeys()), at, at+1)
	return append([]*configpb.Key{r.GetKeys()[at]}, others...)
}

// gossipKeys are those of the gossip, the used one first.
func gossipKeys(s *configpb.Security) (all [][]byte) {
	for _, k := range primaryFirst(s.GetGossip()) {
		all = append(all, k.GetSecret())
	}
	return all
}

// routeKeys are those of route tokens, the used one first.
func routeKeys(s *configpb.Security) (all []sip.RouteKey) {
	for _, k := range primaryFirst(s.GetRoutes()) {
		all = append(all, sip.RouteKey{ID: k.GetId(), Secret: k.GetSecret()})
	}
	return all
}

// trustOf is whom a configuration says to believe.
func trustOf(view *fsm.View) *peerpb.Trust {
	t := &peerpb.Trust{ClusterId: view.Epoch(), Index: view.Index(), Nodes: view.Nodes(), Recovery: view.Recovery()}
	for _, a := range view.Security().GetAuthorities() {
		t.Authorities = append(t.Authorities, a.GetCertificate())
	}
	return t
}

// keepAdmin has the first administrator's context, where it is, follow the
// cluster's authorities.
func (n *Node) keepAdmin(s *configpb.Security) {
	b, err := credential.ReadSecret(filepath.Join(n.cfg.DataDir, adminFile))
	if err != nil {
		return // it was taken away, or is not for us
	}
	c, err := credential.ParseContext(b)
	same := func(a *configpb.Authority) bool {
		return slices.Contains(c.Authorities, identity.Fingerprint(a.GetCertificate()))
	}
	if err != nil || len(c.Authorities) == len(s.GetAuthorities()) && !slices.ContainsFunc(s.GetAuthorities(), func(a *configpb.Authority) bool { return !same(a) }) {
		return
	}
	if err := n.writeAdmin(c.Token); err != nil {
		n.log.Warn("the first administrator's context does not know the present authority", "err", err)
	}
}

// install puts to use what the configuration says of keys, and ends the connections
// of those whom this node does not believe any more.
func (n *Node) install(view *fsm.View) error {
	if err := n.checkMode(view); err != nil || n.who == nil || view.Security() == nil {
		return err
	}
	if n.who.Known().GetIndex() <= view.Index() { // else this node is behind what it has learned
		n.tellRemoved(view)
		if err := n.who.Believe(trustOf(view)); err != nil {
			n.log.Warn("whom to believe is not kept over a restart", "err", err)
		}
		if err := n.who.Renew(view.Epoch(), view.Security().GetAuthorities(), time.Now()); err != nil {
			n.log.Warn("the certificate of this node", "err", err)
		}
	}
	n.recheck()
	n.keepAdmin(view.Security())
	n.setKeys(view.Security())
	n.installed.Store(view.Index())
	return nil
}

// recheck ends the connections of those whom this node does not believe.
func (n *Node) recheck() {
	if ended := n.port.Recheck(); ended > 0 {
		n.log.Info("connections of nodes that are not believed any more ended", "count", ended)
	}
}

// tellRemoved tells of the nodes that the roster has no more.
func (n *Node) tellRemoved(view *fsm.View) {
	for _, node := range n.who.Known().GetNodes() {
		if view.Node(node.GetId()) == nil {
			n.events.Event(security.NodeRemoved, "peer", node.GetName(), "id", node.GetId())
		}
	}
}

// setKeys gives the keys that all nodes share to those who use them.
func (n *Node) setKeys(s *configpb.Security) {
	n.sip.SetRouteKeys(routeKeys(s))
	n.keys.Lock()
	defer n.keys.Unlock()
	if n.keys.gossip != nil {
		n.keys.gossip.SetKeys(gossipKeys(s))
	}
}

// renewEach is how often this node looks at the time of its certificate.
const renewEach = time.Hour

// followSecurity installs each change of who belongs to the cluster and of its keys.
func (n *Node) followSecurity(ctx context.Context) error {
	w := n.machine.Watch()
	defer w.Close()
	for {
		limited, cancel := context.WithTimeout(ctx, renewEach)
		c, err := w.Next(limited)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && !c.All && !c.Nodes && !c.Security {
			n.installed.Store(n.machine.View().Index())
			continue
		}
		if err := n.install(n.machine.View()); err != nil {
			return err
		}
	}
}
