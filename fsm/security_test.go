package fsm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// key is a node's, by a digit.
func key(digit string) string { return strings.Repeat(digit, 64) }

func invite(id, node string, expires uint64) *configpb.Mutation {
	sum := sha256.Sum256([]byte("secret of " + id))
	return put(&configpb.Invite{Id: id, SecretSha256: hex.EncodeToString(sum[:]), NodeName: node, ExpiresMs: expires})
}

// joins is a node that comes with an invite's secret.
func joins(name, invite string, change func(*configpb.Join)) *configpb.Mutation {
	j := &configpb.Join{
		Node:   &configpb.Node{Id: "id-" + name, Name: name, ClusterAddr: "10.0.0.7:7002", KeySha256: []string{key(hex.EncodeToString([]byte(name))[:1])}},
		Invite: invite, Secret: []byte("secret of " + invite),
	}
	if change != nil {
		change(j)
	}
	return &configpb.Mutation{Op: &configpb.Mutation_Join{Join: j}}
}

// secureMachine has node a, and invites of any node, of node n2, and one that ends at 100.
func secureMachine(t *testing.T) machine {
	t.Helper()
	m := start(t)
	apply(t, m, begin())
	apply(t, m, command(put(security())))
	apply(t, m, command(invite("anybody00000", "", 1000), invite("only0n200000", "n2", 1000), invite("short0000000", "", 100)))
	return m
}

func timed(ms uint64, m ...*configpb.Mutation) *peerpb.Command {
	c := command(m...)
	c.TimeMs = ms
	return c
}

func TestJoin_BurnsItsInvite(t *testing.T) {
	m := secureMachine(t)
	apply(t, m, timed(99, joins("n2", "only0n200000", nil)))
	if v := m.View(); v.Node("id-n2") == nil || v.Invite("only0n200000") != nil || len(v.Invites()) != 2 {
		t.Fatalf("%v %v", v.Nodes(), v.Invites())
	}
	err := result(t, m, timed(99, joins("n3", "only0n200000", nil))).Err
	if !errors.Is(err, fsm.ErrInvite) || !strings.Contains(err.Error(), "used") {
		t.Errorf("used twice: %v", err)
	}
	for how, copied := range copies(t, m) {
		if copied.View().Invite("only0n200000") != nil || copied.View().Invite("anybody00000") == nil {
			t.Errorf("%s: %v", how, copied.View().Invites())
		}
	}
}

func TestJoin_Refused(t *testing.T) {
	m := secureMachine(t)
	for name, c := range map[string]struct {
		m    *configpb.Mutation
		kind error
		text string
	}{
		"no invite":              {joins("n2", "", nil), fsm.ErrInvite, "not known"},
		"another secret":         {joins("n2", "anybody00000", func(j *configpb.Join) { j.Secret = []byte("secret of short0000000") }), fsm.ErrInvite, "not known"},
		"no secret":              {joins("n2", "anybody00000", func(j *configpb.Join) { j.Secret = nil }), fsm.ErrInvite, "not known"},
		"its time is over":       {joins("n2", "short0000000", nil), fsm.ErrInvite, "expired"},
		"for another node":       {joins("n3", "only0n200000", nil), fsm.ErrInvite, "for node n2, not for n3"},
		"no key":                 {joins("n2", "anybody00000", func(j *configpb.Join) { j.Node.KeySha256 = nil }), fsm.ErrInvalid, "one key"},
		"two keys":               {joins("n2", "anybody00000", func(j *configpb.Join) { j.Node.KeySha256 = []string{key("1"), key("2")} }), fsm.ErrInvalid, "one key"},
		"the key of a node":      {joins("n2", "anybody00000", func(j *configpb.Join) { j.Node.KeySha256 = []string{key("f")} }), fsm.ErrConflict, "node a has that key"},
		"the id of a node":       {joins("n2", "anybody00000", func(j *configpb.Join) { j.Node.Id = "id-a" }), fsm.ErrConflict, "already"},
		"the name of a node":     {joins("n2", "anybody00000", func(j *configpb.Join) { j.Node.Name = "a" }), fsm.ErrNameTaken, "called a"},
		"put without an invite":  {put(&configpb.Node{Id: "id-x", Name: "x", ClusterAddr: "h:1", KeySha256: []string{key("1")}}), fsm.ErrInvite, "by an invite"},
		"a key that is none":     {put(&configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "h:1", KeySha256: []string{key("F")}}), fsm.ErrInvalid, "64 lower-case"},
		"three keys":             {put(&configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "h:1", KeySha256: []string{key("1"), key("2"), key("3")}}), fsm.ErrInvalid, "3 keys"},
		"one key twice":          {put(&configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "h:1", KeySha256: []string{key("1"), key("1")}}), fsm.ErrInvalid, "twice"},
		"an invite of no id":     {invite("", "", 1), fsm.ErrInvalid, "12 characters"},
		"an invite in capitals":  {invite("ABCDEFGHIJKL", "", 1), fsm.ErrInvalid, "12 characters"},
		"an invite for ever":     {invite("anybody00001", "", 0), fsm.ErrInvalid, "expire"},
		"an invite for nobody":   {invite("anybody00001", "N", 1), fsm.ErrInvalid, "1 to 32"},
		"an invite of no secret": {put(&configpb.Invite{Id: "anybody00001", ExpiresMs: 1}), fsm.ErrInvalid, "secret_sha256"},
		"an invite, if absent":   {at(0, invite("anybody00000", "", 1)), fsm.ErrRevision, "revision 3, 0"},
		"revoking none":          {&configpb.Mutation{Op: &configpb.Mutation_DeleteInvite{DeleteInvite: "anybody00001"}}, fsm.ErrNotFound, "anybody00001"},
		"another revision":       {at(9, put(security())), fsm.ErrRevision, "revision 2, 9"},
		"no authority":           {secured(func(s *configpb.Security) { s.Authorities = nil }, none).first(), fsm.ErrInvalid, "0 authorities"},
		"three authorities":      {secured(func(s *configpb.Security) { s.Authorities = slices.Repeat(s.Authorities, 3) }, none).first(), fsm.ErrInvalid, "3 authorities"},
		"no certificate":         {secured(func(s *configpb.Security) { s.Authorities[0].Certificate = nil }, none).first(), fsm.ErrInvalid, "certificate"},
		"an open door":           {secured(func(s *configpb.Security) { s.Authorities[0].SealedKey = nil }, none).first(), fsm.ErrInvalid, "sealed key"},
		"no gossip":              {secured(func(s *configpb.Security) { s.Gossip = nil }, none).first(), fsm.ErrInvalid, "keyring"},
		"no primary":             {secured(func(s *configpb.Security) { s.Routes.Primary = 2 }, none).first(), fsm.ErrInvalid, "keyring"},
		"nine keys":              {secured(func(s *configpb.Security) { s.Gossip = ring(1, 9) }, none).first(), fsm.ErrInvalid, "keyring"},
		"a key of 31 bytes":      {secured(func(s *configpb.Security) { s.Gossip.Keys[0].Secret = s.Gossip.Keys[0].Secret[1:] }, none).first(), fsm.ErrInvalid, "keyring"},
		"ids that do not ascend": {secured(func(s *configpb.Security) { s.Gossip.Keys = slices.Repeat(s.Gossip.Keys, 2) }, none).first(), fsm.ErrInvalid, "keyring"},
	} {
		t.Run(name, func(t *testing.T) {
			before := proto.CloneOf(m.View().Security())
			err := result(t, m, timed(100, c.m)).Err
			if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("%v; want %v with %q", err, c.kind, c.text)
			}
			if v := m.View(); len(v.Nodes()) != 1 || len(v.Invites()) != 3 || !proto.Equal(v.Security(), before) {
				t.Errorf("it changed something: %v %v", v.Nodes(), v.Invites())
			}
		})
	}
}

func none(*configpb.Security) {}

// first is the first value, to be put.
func (s sample) first() *configpb.Mutation { return put(s.values[0].(proto.Message)) }

// A cluster that asks nobody who he is has no invites, and does not become a
// secured one while a node has no key.
func TestSecurity_OfAnInsecureCluster(t *testing.T) {
	m := start(t)
	c := begin()
	c.Mutations[0].GetPutNode().KeySha256 = nil
	apply(t, m, c)
	if err := result(t, m, command(invite("anybody00000", "", 1000))).Err; !errors.Is(err, fsm.ErrConflict) || !strings.Contains(err.Error(), "--insecure") {
		t.Errorf("an invite: %v", err)
	}
	if err := result(t, m, command(put(security()))).Err; !errors.Is(err, fsm.ErrConflict) || m.View().Security() != nil {
		t.Errorf("security: %v", err)
	}
	apply(t, m, command(put(&configpb.Node{Id: "id-b", Name: "b", ClusterAddr: "h:1"})))
}

// What is left out of a node's entry is what it was; invites that nobody can use
// any more make room, and those that wait are bounded.
func TestSecurity_WhatStays(t *testing.T) {
	m := secureMachine(t)
	apply(t, m, command(put(&configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "h:1"})))
	if got := m.View().Node("id-a").GetKeySha256(); !slices.Equal(got, []string{key("f")}) {
		t.Errorf("keys %v", got)
	}
	for i := range fsm.MaxInvites {
		if err := result(t, m, timed(100, invite(fmt.Sprintf("waits%07d", i), "", 1000))).Err; (err == nil) != (i < fsm.MaxInvites-2) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := result(t, m, timed(1000, invite("anybody00009", "", 2000))).Err; err != nil || len(m.View().Invites()) != 1 {
		t.Errorf("%v, %d wait", err, len(m.View().Invites()))
	}
}
