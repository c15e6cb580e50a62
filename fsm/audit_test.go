package fsm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// by is a command with an actor.
func by(name string, ms ...*configpb.Mutation) *peerpb.Command {
	c := command(ms...)
	c.Actor, c.TimeMs = &configpb.Actor{Token: "abcdefghij01", Name: name, Role: configpb.Role_ROLE_ADMIN, Source: "192.0.2.1:5", Node: "id-a"}, 77
	return c
}

func audited(m machine, after uint64) []*configpb.AuditEntry {
	return slices.Collect(m.View().Audit(after))
}

func TestAudit_KeepsWhoDidWhatAndWhatWasRefused(t *testing.T) {
	m := furnished(t)
	from := m.View().Index()
	done := by("ann", put(objects()["pstn"]), put(objects()["point"]))
	done.RequestId = "r1"
	apply(t, m, done)
	refused := by("bob", deleteDN("1"))
	if result(t, m, refused).Err == nil {
		t.Fatal("it was not refused")
	}
	result(t, m, done) // a retry is no second command
	want := []*configpb.AuditEntry{
		{Index: from + 1, TimeMs: 77, Actor: done.GetActor(), RequestId: "r1", Mutations: 2, Changes: []string{"put dn 2001", "put dn 3000"}},
		{Index: from + 2, TimeMs: 77, Actor: refused.GetActor(), Mutations: 1, Changes: []string{"delete dn 1"}, Refused: `mutation 1: DN "1" does not exist`},
	}
	digest := m.Digest()
	for how, copied := range copies(t, m) {
		got := audited(copied, 0)
		if !slices.EqualFunc(got, want, func(a, b *configpb.AuditEntry) bool { return proto.Equal(a, b) }) {
			t.Errorf("%s: %v", how, got)
		}
		if copied.Digest() != digest {
			t.Errorf("%s: another digest", how)
		}
	}
	if got := audited(m, from+1); len(got) != 1 || got[0].GetIndex() != from+2 {
		t.Errorf("behind the first: %v", got)
	}
}

// Two states that differ in the audit alone have different digests.
func TestAudit_IsInTheDigest(t *testing.T) {
	m, twin := furnished(t), furnished(t)
	apply(t, m, by("ann"))
	apply(t, twin, by("bob"))
	if m.Digest() == twin.Digest() {
		t.Error("it is not")
	}
}

func TestAudit_IsBoundedInEntriesAndBytes(t *testing.T) {
	m := furnished(t)
	long := by(strings.Repeat("n", 64), slices.Repeat([]*configpb.Mutation{deleteDN(strings.Repeat("\u00e4", 300))}, 30)...)
	long.RequestId = strings.Repeat("r", fsm.MaxRequestID)
	result(t, m, long)
	e := audited(m, 0)[0]
	if len(e.GetChanges()) != 20 || e.GetMutations() != 30 || proto.Size(e) > 10_000 {
		t.Errorf("%d changes of %d mutations in %d bytes", len(e.GetChanges()), e.GetMutations(), proto.Size(e))
	}
	most := fsm.MaxAudit/proto.Size(e) + 1
	for i := range most + 10 {
		long.RequestId = fmt.Sprint(i, strings.Repeat("r", 100))
		result(t, m, long)
	}
	bytes := 0
	for _, e := range audited(m, 0) {
		bytes += proto.Size(e)
	}
	if bytes > fsm.MaxAudit || bytes < fsm.MaxAudit/2 {
		t.Errorf("%d bytes are kept, want at most %d", bytes, fsm.MaxAudit)
	}
	if n := len(audited(reopened(t, m), 0)); n != len(audited(m, 0)) {
		t.Errorf("the store keeps %d entries, memory %d", n, len(audited(m, 0)))
	}
}

func TestAudit_SaysWhatOfTheSecurityChanged(t *testing.T) {
	m := furnished(t)
	with := func(gossip, routes *configpb.Keyring, names ...string) *configpb.Security {
		s := &configpb.Security{Gossip: gossip, Routes: routes}
		for _, name := range names {
			s.Authorities = append(s.Authorities, authority(name))
		}
		return s
	}
	dropped := ring(2, 2)
	dropped.Keys = dropped.Keys[1:]
	sum := func(name string) string {
		s := sha256.Sum256(authority(name).GetCertificate())
		return "authority " + hex.EncodeToString(s[:4])
	}
	for _, c := range []struct {
		to   *configpb.Security
		want string
	}{
		{with(ring(1, 1), ring(1, 1), "a"), "put security: gossip key 1 added, gossip key 1 used, route key 1 added, route key 1 used, " + sum("a") + " added, " + sum("a") + " used"},
		{with(ring(1, 2), ring(1, 1), "a"), "put security: gossip key 2 added"},
		{with(ring(2, 2), ring(1, 2), "a", "b"), "put security: gossip key 2 used, route key 2 added, " + sum("b") + " added"},
		{with(dropped, ring(2, 2), "b", "a"), "put security: gossip key 1 dropped, route key 2 used, " + sum("b") + " used"},
		{with(dropped, dropped, "b"), "put security: route key 1 dropped, " + sum("a") + " dropped"},
	} {
		from := m.View().Index()
		cmd := command(put(c.to))
		cmd.Actor = &configpb.Actor{Node: "id-a"}
		apply(t, m, cmd)
		if got := audited(m, from); len(got) != 1 || !slices.Equal(got[0].GetChanges(), []string{c.want}) {
			t.Errorf("%v; want %q", got, c.want)
		}
	}
}

// TestConcerns_ADNOrAll: by what is said of each mutation, with a mask too, and of no other
// object of that name.
func TestConcerns_ADNOrAll(t *testing.T) {
	dn := &configpb.DN{Number: "1001"}
	for what, c := range map[string]struct {
		m    *configpb.Mutation
		want bool
	}{
		"it is put":      {&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: dn}}, true},
		"a field of it":  {&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: dn}, Mask: &fieldmaskpb.FieldMask{Paths: []string{"groups", "enabled"}}}, true},
		"it is deleted":  {&configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: "1001"}}, true},
		"all are":        {&configpb.Mutation{Op: &configpb.Mutation_Restore{}}, true},
		"another one":    {&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "10011"}}}, false},
		"a group":        {&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "1001"}}}, false},
		"a token":        {&configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: &configpb.Token{Id: "t", Name: "put dn 1001"}}}, false},
		"the options":    {&configpb.Mutation{Op: &configpb.Mutation_PutOptions{}}, false},
		"a deleted node": {&configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: "1001"}}, false},
	} {
		if got := fsm.Concerns(fsm.Describe(c.m), "1001"); got != c.want {
			t.Errorf("%s: %q concerns it: %v", what, fsm.Describe(c.m), got)
		}
	}
}
