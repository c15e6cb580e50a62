package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// secured is the config of a node that asks everybody who he is.
func secured(c *Config) { c.Insecure, c.ClusterKey = false, nil }

// admin are the requests of an administrator at a member of the cluster of which the
// first member's data directory has the context.
func (m *member) admin(t *testing.T, first *member) *grpc.ClientConn {
	t.Helper()
	return m.adminBy(t, adminContext(t, first))
}

// adminContext is the administrator's context as soon as it knows the present authorities,
// which a node writes a moment after it has them.
func adminContext(t *testing.T, first *member) (c credential.Context) {
	t.Helper()
	await(t, "the administrator's context", func() bool {
		b, err := credential.ReadSecret(filepath.Join(first.cfg.DataDir, adminFile))
		if err == nil {
			c, err = credential.ParseContext(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		known := first.machine.View().Security().GetAuthorities()
		return len(c.Authorities) == len(known) && !slices.ContainsFunc(known, func(a *configpb.Authority) bool {
			return !slices.Contains(c.Authorities, identity.Fingerprint(a.GetCertificate()))
		})
	})
	return c
}

func (m *member) adminBy(t *testing.T, c credential.Context) *grpc.ClientConn {
	t.Helper()
	settings, err := c.TLS()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+m.cfg.TCAddr, credential.DialOptions(settings, c.Token)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// invited makes an invite and keeps it in a file.
func (m *member) invited(t *testing.T, first *member, name string, life time.Duration) (file string) {
	t.Helper()
	client, r := configpb.NewAccessClient(m.admin(t, first)), (*configpb.CreateInviteResponse)(nil)
	written(t, func() (err error) {
		r, err = client.CreateInvite(t.Context(), &configpb.CreateInviteRequest{NodeName: name, LifetimeS: uint64(life.Seconds())})
		return err
	})
	file = filepath.Join(t.TempDir(), "invite")
	if err := os.WriteFile(file, []byte(r.GetLine()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// written repeats a write while there is no quorum: all nodes stand still when the
// machine does.
func written(t *testing.T, write func() error) {
	t.Helper()
	var err error
	await(t, "a quorum", func() bool {
		err = write()
		return status.Code(err) != codes.Unavailable
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hear waits until each hears all the others.
func hear(t *testing.T, all ...*member) {
	t.Helper()
	for _, m := range all {
		await(t, m.cfg.Name+" hears the others", func() bool {
			peers := m.mesh.Status()
			return len(peers) == len(all)-1 && !slices.ContainsFunc(peers, func(p tcontroller.PeerStatus) bool {
				alive, known := m.gossip.Alive(membership.NodeID(p.ID))
				return !p.Heard || !known || !alive
			})
		})
	}
}

// threeSecured is a whole cluster whose nodes have keys.
func threeSecured(t *testing.T) []*member {
	t.Helper()
	a := run(t, config(t, "n1", func(c *Config) { secured(c); c.Bootstrap = true }))
	all := []*member{a}
	for _, name := range []string{"n2", "n3"} {
		file := a.invited(t, a, name, time.Hour)
		all = append(all, run(t, config(t, name, func(c *Config) { secured(c); c.Join, c.InviteFile = []string{a.cfg.ClusterAddr}, file })))
	}
	hear(t, all...)
	vote(t, all...)
	return all
}

// One cluster whose nodes have keys of their own, through the doors that others use.
func TestSecured(t *testing.T) {
	all := threeSecured(t)
	for _, s := range []struct {
		name string
		test func(t *testing.T, all []*member)
	}{
		{"an invite lets one node in, once, and nobody else", invitesCountOnce},
		{"whoever has another node's files is not that node", filesOfAnother},
		{"who joins in the other way is told which word to change", otherWay},
		{"a node puts its own entry of the roster and nothing else", ownEntryOnly},
		{"every method at a port for clients has a row", everyMethodHasARow},
		{"calls go between nodes by streams under their keys", callsAcross},
		{"a revoked token ends at every node", revokedEverywhere},
		{"a client certificate is taken as a token is", byCertificate},
		{"metrics are for who comes over loopback or has a token", httpSecured},
		{"what gossip says in the name of a node loses nobody", gossipLies},
		{"both rings change, and nobody is lost", ringsChange},
		{"the authority changes, and nobody is lost", authorityChanges},
		{"a node's key changes, and nobody is lost", keyChanges},
		{"a node that was away through everything finds its way back by its key", wayBack},
		{"a node is distrusted here, at once", distrustedHere},
		{"every method at every port is refused to who may not call it", everyMethodRefused},
		{"a removed node's connections end, and it ends too", removedEnds},
	} {
		if !t.Run(s.name, func(t *testing.T) { s.test(t, all) }) {
			return
		}
	}
}

// joins tries to join and returns what became of it.
func joins(t *testing.T, to *member, name, file string, patience time.Duration) error {
	t.Helper()
	n, err := New(t.Context(), config(t, name, func(c *Config) {
		secured(c)
		c.Join, c.InviteFile, c.JoinTimeout = []string{to.cfg.ClusterAddr}, file, patience
	}))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon) // one that is let in would run on
	defer cancel()
	return n.Run(ctx)
}

func invitesCountOnce(t *testing.T, all []*member) {
	a, b := all[0], all[1]
	used := a.invited(t, a, "", time.Hour)
	line, err := os.ReadFile(used)
	if err != nil {
		t.Fatal(err)
	}
	i, err := identity.ParseInvite(string(line))
	if err != nil {
		t.Fatal(err)
	}
	file := func(i identity.Invite) string {
		path := filepath.Join(t.TempDir(), "invite")
		if err := os.WriteFile(path, []byte(i.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	otherSecret, otherCA := i, i
	otherSecret.Secret = make([]byte, 32)
	otherCA.Authority[0]++
	wide := file(i)
	if err := os.Chmod(wide, 0o640); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ node, file, says string }{
		"no invite":                 {"n7", "", "--invite-file"},
		"for another node":          {"n7", a.invited(t, a, "n8", time.Hour), "is for node n8"},
		"another secret":            {"n7", file(otherSecret), "not known"},
		"of another cluster":        {"n7", file(otherCA), "not a node of the cluster that the invite is from"},
		"a name that is taken":      {"n2", a.invited(t, a, "n2", time.Hour), "called n2"},
		"a file that others read":   {"n7", wide, "chmod 600"},
		"what is no invite at all":  {"n7", filepath.Join(a.cfg.DataDir, adminFile), "not an invite"},
		"an invite that is expired": {"n7", expired(t, a), "expired"},
	} {
		join := func(wait time.Duration) error { return joins(t, b, c.node, c.file, wait) }
		var err error
		if name == "of another cluster" { // who joins asks again
			err = givesUp(c.says, join)
		} else { // what a member says ends it at once
			err = join(soon)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	conn, err := a.dialEntrance(t.Context(), b.cfg.ClusterAddr, a.who.Learning(b.id.ID))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := peerpb.NewEntranceClient(conn).Enter(t.Context(), &peerpb.EnterRequest{Invite: strings.Repeat("i", 99)}); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "invite has 99 bytes") {
		t.Errorf("a long invite: %v", err)
	}
	before := a.machine.View().Index()
	for range 20 {
		if _, err := peerpb.NewEntranceClient(conn).Enter(t.Context(), &peerpb.EnterRequest{Node: &configpb.Node{Id: "x", Name: "x"}, Invite: "abcdefgh0123"}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("without an invite: %v", err)
		}
	}
	if grown := a.machine.View().Index() - before; grown >= 20 { // nodes write of their own, too
		t.Errorf("a stranger made %d entries of the log", grown)
	}
	if got := len(a.machine.View().Nodes()); got != 3 {
		t.Fatalf("%d nodes are on the roster", got)
	}
	guest := run(a.home, config(a.home, "n9", func(c *Config) { secured(c); c.Join, c.InviteFile = []string{b.cfg.ClusterAddr}, used }))
	if err := joins(t, b, "n7", used, soon); err == nil || !strings.Contains(err.Error(), "used") {
		t.Errorf("used twice: %v", err)
	}
	a.removes(t, a, "n9")
	if err := guest.wait(); !errors.Is(err, ErrRemoved) {
		t.Errorf("the guest: %v", err)
	}
}

// givesUp is why a join failed that asks again until its time is over, with as much of
// it as a busy machine needs to ask at all.
func givesUp(says string, join func(wait time.Duration) error) (err error) {
	for wait := 500 * time.Millisecond; wait < soon; wait *= 4 {
		if err = join(wait); err == nil || strings.Contains(err.Error(), says) {
			break
		}
	}
	return err
}

// A node without a key at a cluster that asks for one, and the other way round.
func otherWay(t *testing.T, all []*member) {
	home := all[0].home
	plain := run(home, config(home, "p1", func(c *Config) { c.Bootstrap, c.ClusterKey = true, nil }))
	for _, c := range []struct {
		to    *member
		guest func(*Config)
		says  string
	}{
		{all[0], func(c *Config) { c.ClusterKey = nil }, "without --insecure"},
		{plain, func(c *Config) { secured(c); c.InviteFile = all[0].invited(t, all[0], "n7", time.Hour) }, "with --insecure too"},
	} {
		err := givesUp(c.says, func(wait time.Duration) error {
			n, err := New(t.Context(), config(t, "n7", func(o *Config) {
				c.guest(o)
				o.Join, o.JoinTimeout = []string{c.to.cfg.ClusterAddr}, wait
			}))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
			defer cancel()
			return n.Run(ctx)
		})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want %q", err, c.says)
		}
	}
	if err := plain.stop(); err != nil {
		t.Error(err)
	}
	plain.stop = func() error { return nil }
}

// expired is an invite whose time is over.
func expired(t *testing.T, a *member) string {
	t.Helper()
	file := a.invited(t, a, "n7", time.Second)
	line, _ := os.ReadFile(file)
	i, err := identity.ParseInvite(string(line))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the invite's end", func() bool {
		return uint64(time.Now().UnixMilli()) > a.machine.View().Invite(i.ID).GetExpiresMs()
	})
	return file
}

func (m *member) removes(t *testing.T, first *member, name string) {
	t.Helper()
	removes(t, tcpb.NewClusterClient(m.admin(t, first)), name)
}

func removes(t *testing.T, client tcpb.ClusterClient, name string) {
	t.Helper()
	written(t, func() error {
		_, err := client.RemoveNode(t.Context(), &tcpb.RemoveNodeRequest{Name: name})
		if status.Code(err) == codes.NotFound {
			return nil // by the time before, of which no answer came
		}
		return err
	})
}

// thief has the files of one node and what its configuration says, and calls itself
// what it likes.
func thief(t *testing.T, of *member, id string) *port.Dialer {
	t.Helper()
	dir := copyOf(t, of.cfg.DataDir)
	view := of.machine.View()
	if err := os.Remove(filepath.Join(dir, "node.crt")); err != nil {
		t.Fatal(err)
	}
	who, err := identity.Open(identity.Config{Dir: dir, ID: id, Name: "thief", Log: of.Node.log})
	if err != nil {
		t.Fatal(err)
	}
	if err := who.Renew(view.Epoch(), view.Security().GetAuthorities(), time.Now()); err != nil {
		t.Fatal(err)
	}
	return &port.Dialer{Identity: who, Fabric: port.NewFabric()}
}

// copyOf has the files of a data directory by which a node is known.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"node.key", "node.crt", "seal.key", "trust", "deny.json"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// events counts those of a kind at a member.
func events(t *testing.T, m *member, kind string) (count uint64) {
	t.Helper()
	m.events.Counts(func(k security.Kind, n uint64) {
		if string(k) == kind {
			count = n
		}
	})
	return count
}

// Whoever has the files of n2, the authority's key among them, signs himself a
// certificate of n1's name: it is refused for links, Raft, requests and as the one
// who answers.
func filesOfAnother(t *testing.T, all []*member) {
	a, b, c := all[0], all[1], all[2]
	p := thief(t, b, a.id.ID)
	if got := identity.IDOf(tls.ConnectionState{PeerCertificates: []*x509.Certificate{p.Identity.Certificate().Leaf}}); got != a.id.ID {
		t.Fatalf("the thief's certificate is of %s", got)
	}
	refusedBefore := events(t, c, "identity-refused")
	for _, protocol := range []string{identity.GRPC, identity.Raft, identity.SIP} {
		conn, err := p.Fabric.Dial(t.Context(), c.cfg.ClusterAddr)
		if err != nil {
			t.Fatal(err)
		}
		secured, err := p.Secure(t.Context(), conn, protocol, c.id.ID)
		if err != nil {
			continue
		}
		if got := talk(t, secured, grpcPreamble); got != "" {
			t.Errorf("%s: it is answered %q", protocol, got)
		}
	}
	await(t, "it is counted", func() bool { return events(t, c, "identity-refused") >= refusedBefore+3 })
	// As itself it is n2, and n2 alone: who wants n1 at its address does not get it.
	for protocol := range map[string]bool{identity.GRPC: true, identity.Raft: true} {
		conn, err := c.fabric.Dial(t.Context(), b.cfg.ClusterAddr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.port.Secure(t.Context(), conn, protocol, a.id.ID); !errors.Is(err, identity.OtherNode) {
			t.Errorf("%s: n2 at the address of n1: %v", protocol, err)
		}
	}
	// A connection for joining serves nothing else, and n2's own link none but n2's.
	conn, err := c.dialEntrance(t.Context(), a.cfg.ClusterAddr, c.who.Learning(a.id.ID))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := peerpb.NewConsensusClient(conn).ReadIndex(t.Context(), &peerpb.ReadIndexRequest{ClusterId: a.id.ClusterID}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a forwarded request on a connection for joining: %v", err)
	}
	link, err := b.dialGRPC(a.id.ID, a.cfg.ClusterAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	stream, err := peerpb.NewTControllerClient(link).Follow(t.Context())
	if err == nil {
		err = stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{ClusterId: a.id.ClusterID, Follower: c.id.ID, Publisher: a.id.ID}}})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "speaks for itself") {
		t.Errorf("n2 follows as n3: %v", err)
	}
}

func ownEntryOnly(t *testing.T, all []*member) {
	a, b, c := all[0], all[1], all[2]
	conn, err := b.dialGRPC(a.id.ID, a.cfg.ClusterAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// judged asks until n1 says yes or no: it has the lead back when it lost it meanwhile.
	judged := func(name string, ask func() error) (err error) {
		await(t, name+" is judged", func() bool {
			switch err = ask(); status.Code(err) {
			case codes.FailedPrecondition: // it does not lead
				for _, m := range []*member{b, c} {
					_ = m.group.HandOver(t.Context())
				}
				return false
			case codes.Unavailable, codes.DeadlineExceeded:
				return false
			}
			return true
		})
		return err
	}
	view := a.machine.View()
	own, other := view.Node(b.id.ID), view.Node(c.id.ID)
	for name, x := range map[string]struct {
		m  *configpb.Mutation
		ok bool
	}{
		"its own entry":    {&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: own}}, true},
		"another's":        {&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: other}}, false},
		"the end of n3":    {&configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: c.id.ID}}, false},
		"an authority":     {&configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: view.Security()}}, false},
		"an invite":        {&configpb.Mutation{Op: &configpb.Mutation_PutInvite{PutInvite: &configpb.Invite{Id: "abcdefgh0123", SecretSha256: own.GetKeySha256()[0], ExpiresMs: 1}}}, false},
		"a DN":             {phoneDN("1001"), false},
		"a way in for one": {&configpb.Mutation{Op: &configpb.Mutation_Join{Join: &configpb.Join{Node: other, Invite: "abcdefgh0123"}}}, false},
	} {
		err := judged(name, func() error {
			_, err := peerpb.NewConsensusClient(conn).Propose(t.Context(), &peerpb.ProposeRequest{
				ClusterId: a.id.ClusterID, Command: &peerpb.Command{Version: 1, RequestId: name, Mutations: []*configpb.Mutation{x.m}},
			})
			return err
		})
		if (err == nil) != x.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	leaders := proto.CloneOf(view.Node(a.id.ID))
	leaders.ClusterAddr = b.cfg.ClusterAddr
	if err := judged("a join", func() error {
		_, err := peerpb.NewConsensusClient(conn).Join(t.Context(), &peerpb.JoinRequest{Node: leaders})
		return err
	}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the leader's entry by way of a join: %v", err)
	}
}

// losses counts how often anybody lost anybody.
func losses(all []*member) (n uint64) {
	for _, m := range all {
		for _, p := range m.mesh.Status() {
			n += p.Losses
		}
	}
	return n
}

func ringsChange(t *testing.T, all []*member) {
	a, before := all[0], losses(all)
	access := configpb.NewAccessClient(all[1].admin(t, a))
	written(t, func() error {
		_, err := access.RotateKeys(t.Context(), &configpb.RotateKeysRequest{})
		return err
	})
	_, err := access.RotateKeys(t.Context(), &configpb.RotateKeysRequest{})
	if used := all[1].machine.View().Security().GetGossip().GetPrimary() == 2; status.Code(err) != codes.FailedPrecondition && !used {
		t.Errorf("another one meanwhile: %v", err)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" has the new keys", func() bool {
			s := m.machine.View().Security()
			return s.GetGossip().GetPrimary() == 2 && len(s.GetGossip().GetKeys()) == 1 && s.GetRoutes().GetPrimary() == 2
		})
	}
	l, err := access.ListKeys(t.Context(), &configpb.ListKeysRequest{})
	if err != nil || len(l.GetGossip()) != 1 || len(l.GetRoutes()) != 2 || !l.GetRoutes()[1].GetPrimary() {
		t.Errorf("%v %v", l, err)
	}
	hear(t, all...)
	if now := losses(all); now != before {
		t.Errorf("%d losses", now-before)
	}
}

func authorityChanges(t *testing.T, all []*member) {
	a, before, pinned := all[0], losses(all), adminContext(t, all[0])
	access := configpb.NewAccessClient(a.admin(t, a))
	old := identity.Fingerprint(a.machine.View().Security().GetAuthorities()[0].GetCertificate())
	var r *configpb.RotateAuthorityResponse
	written(t, func() (err error) {
		r, err = access.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{})
		return err
	})
	if signs := identity.Fingerprint(a.machine.View().Security().GetAuthorities()[0].GetCertificate()); signs == old && !slices.Equal(r.GetWaitingFor(), []string{"n1", "n2", "n3"}) {
		t.Fatal(r)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" has the new authority alone", func() bool {
			s := m.machine.View().Security().GetAuthorities()
			return len(s) == 1 && identity.Fingerprint(s[0].GetCertificate()) != old
		})
	}
	hear(t, all...)
	if now := losses(all); now != before {
		t.Errorf("%d losses", now-before)
	}
	who := func(c credential.Context) error {
		_, err := configpb.NewAccessClient(all[1].adminBy(t, c)).WhoAmI(t.Context(), &configpb.WhoAmIRequest{})
		return err
	}
	if err := who(pinned); err != nil {
		t.Errorf("a client that knows the old one: %v", err)
	}
	written(t, func() error {
		_, err := access.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{Force: true})
		return err
	})
	await(t, "the old one makes nobody known any more", func() bool { return who(pinned) != nil })
	if err := who(adminContext(t, a)); err != nil {
		t.Errorf("a client that knows the new one: %v", err)
	}
}

func keyChanges(t *testing.T, all []*member) {
	a, b := all[0], all[1]
	old, removed := b.who.Fingerprint(), events(t, a, "node-removed")
	next, err := b.nodeKeys().Rekey()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" knows the next key alone", func() bool {
			return slices.Equal(m.machine.View().Node(b.id.ID).GetKeySha256(), []string{next})
		})
	}
	hear(t, all...)
	if got := b.who.Fingerprint(); got != next || got == old {
		t.Errorf("it uses %s", got)
	}
	if err := a.who.Trust().Holds(b.id.ID, old); !errors.Is(err, identity.OtherKey) {
		t.Errorf("the old one: %v", err)
	}
	if got := events(t, a, "node-removed"); got != removed {
		t.Errorf("%d nodes were removed", got-removed)
	}
}

// The authority was replaced by force, both rings twice, while n3 was away: it
// believes nobody, and nobody's certificate of its time counts.
func wayBack(t *testing.T, all []*member) {
	a, c := all[0], all[2]
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c.stop = func() error { return nil }
	access := configpb.NewAccessClient(a.admin(t, a))
	for _, force := range []bool{false, true} {
		written(t, func() error {
			_, err := access.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{Force: force})
			return err
		})
	}
	access = configpb.NewAccessClient(a.admin(t, a))
	for range 2 {
		before := a.machine.View().Security().GetGossip().GetPrimary()
		written(t, func() error {
			_, err := access.RotateKeys(t.Context(), &configpb.RotateKeysRequest{})
			return err
		})
		await(t, "a rotation's end", func() bool {
			r := a.machine.View().Security().GetGossip()
			return r.GetPrimary() == before+1 && len(r.GetKeys()) == 1
		})
	}
	all[2] = run(a.home, c.cfg)
	hear(t, all...)
	if all[2].log.has("learned whom to believe") != true {
		t.Error("it did not have to learn anything: what is tested?")
	}
}

func distrustedHere(t *testing.T, all []*member) {
	b, c := all[1], all[2]
	if err := b.who.Distrust(c.id.ID, "n3"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b.recheck()
	await(t, "n3 is not heard at n2", func() bool { return !b.heard(c) })
	t.Log("n3 is not heard after ", time.Since(began))
	if !all[0].heard(c) {
		t.Error("n1 lost it too")
	}
	again, err := identity.Open(identity.Config{Dir: copyOf(t, b.cfg.DataDir), ID: b.id.ID, Log: b.Node.log})
	if err != nil || !again.Trust().Denied[c.id.ID] || !slices.Equal(again.Distrusted(), []string{"n3"}) {
		t.Errorf("after a restart: %v %v", again.Trust().Denied, err)
	}
	if err := b.who.Forget(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	hear(t, all...)
}

// word is one of a greeting of Raft.
func word(s string) string { return string(rune(len(s))) + s }

func (m *member) heard(other *member) bool {
	return slices.ContainsFunc(m.mesh.Status(), func(p tcontroller.PeerStatus) bool { return p.ID == dn.Node(other.id.ID) && p.Heard })
}

func removedEnds(t *testing.T, all []*member) {
	a, b, c := all[0], all[1], all[2]
	// Somebody else holds a connection by n3's files: it ends although nobody there ends it.
	p := thief(t, c, c.id.ID)
	dial := func() (net.Conn, error) {
		conn, err := p.Fabric.Dial(t.Context(), b.cfg.ClusterAddr)
		if err != nil {
			t.Fatal(err)
		}
		return p.Secure(t.Context(), conn, identity.Raft, b.id.ID)
	}
	open, err := dial()
	if err == nil { // with the greeting of Raft: who says nothing is hung up on
		_, err = open.Write([]byte(raftPreamble + word(b.id.ClusterID) + word(b.id.ID) + word(c.id.ID)))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	a.removes(t, a, "n3")
	began := time.Now()
	_ = open.SetReadDeadline(began.Add(soon))
	if _, err = open.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("its connection to n2 goes on after %v: %v", time.Since(began), err)
	}
	if conn, err := dial(); err == nil {
		if got := talk(t, conn, raftPreamble); got != "" {
			t.Errorf("it is let in again: %q", got)
		}
	}
	if err := c.wait(); !errors.Is(err, ErrRemoved) {
		t.Errorf("n3: %v", err)
	}
	hear(t, a, b)
}

// TestSecured_RemovedWhileItWasDown: nobody takes such a node for one of the cluster, and it
// hears why before it takes a phone.
func TestSecured_RemovedWhileItWasDown(t *testing.T) {
	all := threeSecured(t)
	a, b, c := all[0], all[1], all[2]
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	a.removes(t, a, "n3")
	await(t, "n1 and n2 know it", func() bool {
		return a.who.Trust().Holds(c.id.ID, c.who.Fingerprint()) != nil && b.who.Trust().Holds(c.id.ID, c.who.Fingerprint()) != nil
	})
	c = bind(t, c.cfg)
	if c.machine.View().Node(c.id.ID) == nil {
		t.Fatal("it knows by itself that it was removed: what is tested?")
	}
	if c.servesEarly(t) || !c.isRemoved() {
		t.Errorf("phones register at a node that was removed: it has heard so: %v", c.isRemoved())
	}
	c.start(t)
	if err := c.wait(); !errors.Is(err, ErrRemoved) {
		t.Errorf("it ended with %v", err)
	}
	if c.log.has("msg=serving") {
		t.Error("it served before it ended")
	}
}
