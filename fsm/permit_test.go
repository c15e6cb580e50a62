package fsm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// token is one of a role, valid from 100 to 1000.
func token(role string) *configpb.Token {
	r, _ := configpb.ParseRole(role)
	return &configpb.Token{Id: (role + "000000000000")[:12], SecretSha256: key("a"), Name: role, Role: r, NotBeforeMs: 100, ExpiresMs: 1000}
}

// guarded is a secured machine with a token of each role, and one of an admin for ever.
func guarded(t *testing.T) machine {
	t.Helper()
	m := secureMachine(t)
	for _, r := range configpb.RoleNames() {
		apply(t, m, command(put(token(r))))
	}
	apply(t, m, command(put(&configpb.Token{Id: "foreverforev", SecretSha256: key("b"), Name: "root", Role: configpb.Role_ROLE_ADMIN}), put(objects()["pstn"])))
	return m
}

// changes are one of each kind.
func changes(v *fsm.View) map[string]*configpb.Mutation {
	self := v.Node("id-a")
	drain, moved := proto.CloneOf(self), proto.CloneOf(self)
	drain.Draining, drain.DrainUntilMs = true, 5
	moved.TcAddr = "10.9.9.9:7001"
	return map[string]*configpb.Mutation{
		"dn": put(objects()["point"]), "no dn": deleteDN("2001"), "group": put(&configpb.AgentGroup{Name: "new"}), "no group": deleteGroup("h"),
		"options": put(&configpb.Options{MaxContacts: 3}), "drain": put(drain), "move": put(moved), "no node": deleteNode("id-a"),
		"token": put(token("stat")), "no token": {Op: &configpb.Mutation_DeleteToken{DeleteToken: token("stat").GetId()}},
		"invite": invite("another00000", "", 1000), "no invite": {Op: &configpb.Mutation_DeleteInvite{DeleteInvite: "anybody00000"}},
		"security": put(v.Security()), "join": joins("n3", "anybody00000", nil),
	}
}

// TestPermit_OfEachRole: the state machine itself refuses what a role does not
// change, whoever proposed it.
func TestPermit_OfEachRole(t *testing.T) {
	const all = "dn,no dn,group,no group,options,drain,move,token,no token,invite,no invite,security,join"
	for role, want := range map[string]string{
		"admin": all, "config": "dn,no dn,group,no group", "operator": "drain", "router": "", "stat": "", "gateway": "", "metrics": "",
	} {
		m := guarded(t)
		for name, change := range changes(m.View()) {
			c := timed(500, change)
			c.Actor = &configpb.Actor{Token: token(role).GetId(), Role: configpb.Role_ROLE_ADMIN, Node: "id-a"} // the role that is claimed does not count
			before := m.View()
			err := result(t, m, c).Err
			may := slices.Contains(strings.Split(want, ","), name)
			if name == "no node" {
				may = false // the last one; an admin hears that
			}
			if denied := errors.Is(err, fsm.ErrDenied); denied == may && !(role == "admin" && name == "no node") {
				t.Errorf("%s, %s: %v", role, name, err)
			}
			if err != nil && !proto.Equal(m.View().Node("id-a"), before.Node("id-a")) {
				t.Errorf("%s, %s: refused, and the node changed", role, name)
			}
			if err == nil != (m.View().Permits(token(role).GetRole(), change) == nil) && err == nil {
				t.Errorf("%s, %s: beforehand it is refused", role, name)
			}
			if err == nil {
				m = guarded(t)
			}
		}
	}
}

// TestPermit_ByTheTokenThatIsThere: what counts is the token in the state and the
// time in the entry.
func TestPermit_ByTheTokenThatIsThere(t *testing.T) {
	of := func(id string, ms uint64) *peerpb.Command {
		c := timed(ms, put(objects()["point"]))
		c.Actor = &configpb.Actor{Token: id, Role: configpb.Role_ROLE_ADMIN, Node: "id-a"}
		return c
	}
	m := guarded(t)
	for name, c := range map[string]struct {
		c  *peerpb.Command
		ok bool
	}{
		"valid": {of("config000000", 100), true}, "not yet": {of("config000000", 99), false}, "over": {of("config000000", 1000), false},
		"unknown": {of("unknown00000", 500), false}, "for ever": {of("foreverforev", 1<<60), true},
	} {
		if err := result(t, m, c.c).Err; errors.Is(err, fsm.ErrDenied) == c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	apply(t, m, timed(1, &configpb.Mutation{Op: &configpb.Mutation_DeleteToken{DeleteToken: "config000000"}}))
	if err := result(t, m, of("config000000", 500)).Err; !errors.Is(err, fsm.ErrDenied) {
		t.Errorf("revoked: %v", err)
	}
}

// TestPermit_ANodeByItself writes its own entry; joining and the shared keys are the
// leader's to write.
func TestPermit_ANodeByItself(t *testing.T) {
	m := guarded(t)
	for name, change := range changes(m.View()) {
		for node, want := range map[string]string{"id-a": "drain,move,security,join", "id-b": "security,join", "": ""} {
			c := timed(500, change)
			c.Actor = &configpb.Actor{Node: node}
			err := result(t, m, c).Err
			if errors.Is(err, fsm.ErrDenied) == slices.Contains(strings.Split(want, ","), name) {
				t.Errorf("node %q, %s: %v", node, name, err)
			}
			if err == nil {
				m = guarded(t)
			}
		}
	}
}

func TestToken_TheLastLastingAdminStays(t *testing.T) {
	m := guarded(t)
	gone := func(id string) error {
		return result(t, m, command(&configpb.Mutation{Op: &configpb.Mutation_DeleteToken{DeleteToken: id}})).Err
	}
	if err := gone("foreverforev"); !errors.Is(err, fsm.ErrConflict) || m.View().Token("foreverforev") == nil {
		t.Errorf("the last one: %v", err)
	}
	apply(t, m, command(put(&configpb.Token{Id: "secondsecond", SecretSha256: key("c"), Name: "two", Role: configpb.Role_ROLE_ADMIN})))
	if err := gone("foreverforev"); err != nil {
		t.Error(err)
	}
	if err := gone(token("admin").GetId()); err != nil {
		t.Errorf("one that expires: %v", err)
	}
	apply(t, m, command(put(&configpb.Token{Id: "secondsecond", SecretSha256: key("c"), Name: "two", Role: configpb.Role_ROLE_ADMIN, NotBeforeMs: 7})))
}

func TestToken_Refused(t *testing.T) {
	m := guarded(t)
	for name, change := range map[string]func(*configpb.Token){
		"a short id":        func(k *configpb.Token) { k.Id = "abc" },
		"an id of capitals": func(k *configpb.Token) { k.Id = "ABCDEFGHIJKL" },
		"no hash":           func(k *configpb.Token) { k.SecretSha256 = "" },
		"two hashes":        func(k *configpb.Token) { k.CertificateSha256 = key("d") },
		"a short hash":      func(k *configpb.Token) { k.SecretSha256 = "aa" },
		"no name":           func(k *configpb.Token) { k.Name = "" },
		"no role":           func(k *configpb.Token) { k.Role = 0 },
		"an unknown role":   func(k *configpb.Token) { k.Role = 99 },
		"no time":           func(k *configpb.Token) { k.NotBeforeMs, k.ExpiresMs = 5, 5 },
		"a bad group":       func(k *configpb.Token) { k.Scope = &configpb.Scope{Groups: []string{"a b"}} },
		"a bad prefix":      func(k *configpb.Token) { k.Scope = &configpb.Scope{ExternalPrefixes: []string{"+x"}} },
		"an empty prefix":   func(k *configpb.Token) { k.Scope = &configpb.Scope{DnPrefixes: []string{""}} },
		"too many": func(k *configpb.Token) {
			k.Scope = &configpb.Scope{Groups: slices.Repeat([]string{"g"}, fsm.MaxScope+1)}
		},
	} {
		k := token("router")
		k.Id = "newnewnewnew"
		change(k)
		if err := result(t, m, command(put(k))).Err; !errors.Is(err, fsm.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cert := func(id string) *configpb.Token {
		return &configpb.Token{Id: id, CertificateSha256: key("e"), Name: "c", Role: configpb.Role_ROLE_STAT}
	}
	apply(t, m, command(put(cert("cert00000001"))))
	if err := result(t, m, command(put(cert("cert00000002")))).Err; !errors.Is(err, fsm.ErrConflict) {
		t.Errorf("one certificate twice: %v", err)
	}
	if m.View().TokenOf(key("e")).GetId() != "cert00000001" || m.View().TokenOf("") != nil || m.View().TokenOf(key("f")) != nil {
		t.Error("a certificate leads to another token")
	}
}

// TestNode_TakesTheAddressOfOneThatIsElsewhere by its own word alone: the other has its
// old one until it says where it is; nobody else gives an address away.
func TestNode_TakesTheAddressOfOneThatIsElsewhere(t *testing.T) {
	m := furnished(t)
	a := m.View().Node("id-a")
	b := proto.CloneOf(a)
	b.Id, b.Name, b.ClusterAddr, b.KeySha256 = "id-b", "b9", "10.0.0.77:7002", nil
	apply(t, m, command(put(b)))
	moved := proto.CloneOf(b)
	moved.ClusterAddr = a.GetClusterAddr()
	for who, actor := range map[string]*configpb.Actor{"a client": {Token: "t", Node: "id-b"}, "another node": {Node: "id-a"}, "nobody": {}} {
		c := command(put(moved))
		c.Actor = actor
		if err := result(t, m, c).Err; !errors.Is(err, fsm.ErrConflict) {
			t.Errorf("%s: %v", who, err)
		}
	}
	c := command(put(moved))
	c.Actor = &configpb.Actor{Node: "id-b"}
	apply(t, m, c)
	if at := m.View().Node("id-b").GetClusterAddr(); at != a.GetClusterAddr() {
		t.Errorf("b is at %s", at)
	}
	if at := m.View().Node("id-a").GetClusterAddr(); at != b.GetClusterAddr() {
		t.Errorf("a is at %s", at)
	}
}
