package node

import (
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

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

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
