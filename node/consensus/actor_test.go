package consensus

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// desk knows who the clients of a node are; what it verifies is written down. Who
// calls it can't tell.
type desk struct {
	mu       sync.Mutex
	verified []string
}

type asking struct{}

func (d *desk) Asking(ctx context.Context) Client {
	c, _ := ctx.Value(asking{}).(Client)
	return c
}

func (d *desk) Verify(c Client) (*configpb.Actor, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shown := c.Proof.GetToken() + c.Certificate
	d.verified = append(d.verified, shown)
	if shown == "wrong" {
		return nil, errors.New("the token is wrong")
	}
	return &configpb.Actor{Token: shown, Name: "ann", Role: configpb.Role_ROLE_ADMIN}, nil
}

func (d *desk) Peer(context.Context) string { return "id-peer" }

func (d *desk) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.verified)
}

func as(ctx context.Context, c Client) context.Context { return context.WithValue(ctx, asking{}, c) }

func last(m *member) *configpb.AuditEntry {
	var e *configpb.AuditEntry
	for x := range m.machine.View().Audit(0) {
		e = x
	}
	return e
}

// TestActor_IsTheLeadersWord: whatever a node says in a command of who gave it, and
// when, the leader judges the client's own proof.
func TestActor_IsTheLeadersWord(t *testing.T) {
	c, nodes := threeOf(t, func(m *member) { m.clients, m.election = &desk{}, patientElection })
	leader := c.leader(nodes[:]...)
	other := followers(leader, nodes[:]...)[0]
	forged := proposal(phone("1"))
	forged.Actor, forged.TimeMs = &configpb.Actor{Token: "admin", Name: "eve", Source: "nowhere"}, 5
	before := uint64(time.Now().UnixMilli())
	shown := Client{Proof: &peerpb.Proof{Token: "t1", Source: "192.0.2.7:9"}}
	for at, asked := range map[*member]string{other: "id-peer", leader: leader.self.GetId()} {
		if _, err := at.group.Propose(as(t.Context(), shown), proto.CloneOf(forged)); err != nil {
			t.Fatal(err)
		}
		e := last(leader)
		want := &configpb.Actor{Token: "t1", Name: "ann", Role: configpb.Role_ROLE_ADMIN, Source: "192.0.2.7:9", Node: asked}
		if !proto.Equal(e.GetActor(), want) || e.GetTimeMs() < before {
			t.Errorf("%v at %d, want %v", e.GetActor(), e.GetTimeMs(), want)
		}
	}
	if got := leader.clients.(*desk).asked(); !slices.Equal(got, []string{"t1", "t1"}) {
		t.Errorf("the leader judged %q", got)
	}
	index := leader.machine.View().Index()
	wrong := Client{Proof: &peerpb.Proof{Token: "wrong"}}
	if _, err := other.group.Propose(as(t.Context(), wrong), proto.CloneOf(forged)); !errors.Is(err, fsm.ErrDenied) || !errors.Is(err, ErrRejected) {
		t.Errorf("a wrong proof: %v", err)
	}
	if leader.machine.View().Index() != index {
		t.Error("what was refused is in the log")
	}
}

// TestActor_ACertificateIsTakenByTheLeaderAlone: its proof can't travel, and a node
// that claims to have seen one is not believed.
func TestActor_ACertificateIsTakenByTheLeaderAlone(t *testing.T) {
	c, nodes := threeOf(t, func(m *member) { m.clients, m.self.TcAddr, m.election = &desk{}, "192.0.2.1:7001", patientElection })
	leader := c.leader(nodes[:]...)
	other := followers(leader, nodes[:]...)[0]
	shown := as(t.Context(), Client{Certificate: "cert"})
	var ask *fsm.AskLeader
	if _, err := other.group.Propose(shown, proposal(phone("1"))); !errors.As(err, &ask) || ask.Addr != "192.0.2.1:7001" {
		t.Errorf("another node: %v", err)
	}
	if _, err := leader.group.Propose(shown, proposal(phone("1"))); err != nil || last(leader).GetActor().GetToken() != "cert" {
		t.Errorf("the leader: %v, %v", err, last(leader))
	}
}

// TestServer_ANodeForItselfWritesItsOwnEntry, and no more, where somebody is asked.
func TestServer_ANodeForItselfWritesItsOwnEntry(t *testing.T) {
	own := &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "id-b"}}}
	others := &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "id-a"}}}
	secured := &configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: &configpb.Security{}}}
	proof := Client{Proof: &peerpb.Proof{Token: "t"}}
	for name, c := range map[string]struct {
		client Client
		peer   string
		m      []*configpb.Mutation
		ok     bool
	}{
		"its own": {Client{}, "id-b", []*configpb.Mutation{own}, true}, "another's": {Client{}, "id-b", []*configpb.Mutation{own, others}, false},
		"a phone": {Client{}, "id-b", []*configpb.Mutation{phone("1")}, false}, "the keys": {Client{}, "id-b", []*configpb.Mutation{secured}, false},
		"of nobody": {Client{}, "", []*configpb.Mutation{own}, false}, "for a client": {proof, "id-b", []*configpb.Mutation{phone("1")}, true},
	} {
		if err := permitForwarded(true, c.client, c.peer, proposal(c.m...)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err := permitForwarded(false, c.client, c.peer, proposal(c.m...)); err != nil {
			t.Errorf("%s, where nobody is asked: %v", name, err)
		}
	}
}
