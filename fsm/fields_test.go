package fsm_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func TestFields_AllAreSampled(t *testing.T) {
	var want []string
	for _, m := range storedMessages() {
		want = append(want, paths(m, string(m.Name()))...)
	}
	refused := func(p string) bool { // no object may have it
		return p == "DN.routing_point.policy.wrap_up_s" || p == "DN.routing_point.policy.desktop_lost" || p == "DN.trunk.inbound_auth.sha256_ha1"
	}
	for _, p := range slices.DeleteFunc(want, refused) {
		if _, ok := samples[p]; !ok {
			t.Errorf("%s is stored, and no test writes it: give it two values in samples", p)
		}
	}
	for p := range samples {
		if !slices.Contains(want, p) {
			t.Errorf("%s is sampled and does not exist", p)
		}
	}
	if len(want) < 30 {
		t.Fatalf("only %d fields were found", len(want))
	}
}

// withField returns the sample's object with the value.
func withField(t *testing.T, path string, value any) proto.Message {
	t.Helper()
	if whole, ok := value.(*configpb.Security); ok {
		return whole
	}
	m := objects()[samples[path].of]
	at := m.ProtoReflect()
	names := strings.Split(path, ".")[1:]
	for _, name := range names[:len(names)-1] {
		fd := at.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd.IsList() {
			at = at.Mutable(fd).List().AppendMutable().Message()
			continue
		}
		at = at.Mutable(fd).Message()
	}
	fd := at.Descriptor().Fields().ByName(protoreflect.Name(names[len(names)-1]))
	switch v := value.(type) {
	case []string:
		at.Clear(fd)
		list := at.Mutable(fd).List()
		for _, s := range v {
			list.Append(protoreflect.ValueOfString(s))
		}
	case []*configpb.NumberRule:
		for _, r := range v {
			at.Mutable(fd).List().Append(protoreflect.ValueOfMessage(r.ProtoReflect()))
		}
	case map[string]uint32:
		for k, n := range v {
			at.Mutable(fd).Map().Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfUint32(n))
		}
	case proto.Message:
		at.Set(fd, protoreflect.ValueOfMessage(v.ProtoReflect()))
	default:
		at.Set(fd, protoreflect.ValueOf(v))
	}
	adjust(path, value, m)
	return m
}

func put(m proto.Message) *configpb.Mutation {
	switch m := m.(type) {
	case *configpb.DN:
		return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: m}}
	case *configpb.AgentGroup:
		return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: m}}
	case *configpb.Node:
		return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: m}}
	case *configpb.Token:
		return &configpb.Mutation{Op: &configpb.Mutation_PutToken{PutToken: m}}
	case *configpb.Options:
		return &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: m}}
	case *configpb.Invite:
		return &configpb.Mutation{Op: &configpb.Mutation_PutInvite{PutInvite: m}}
	case *configpb.Security:
		return &configpb.Mutation{Op: &configpb.Mutation_PutSecurity{PutSecurity: m}}
	}
	panic(fmt.Sprintf("no mutation puts a %T", m))
}

// puts are what an object takes to be put.
func puts(m proto.Message) []*configpb.Mutation {
	if _, is := m.(*configpb.Invite); is {
		return []*configpb.Mutation{put(security()), put(m)}
	}
	return []*configpb.Mutation{put(m)}
}

// find reads the stored object back.
func find(v *fsm.View, m proto.Message) proto.Message {
	switch m := m.(type) {
	case *configpb.DN:
		return v.DN(m.GetNumber())
	case *configpb.AgentGroup:
		return v.Group(m.GetName())
	case *configpb.Node:
		return v.Node(m.GetId())
	case *configpb.Token:
		return v.Token(m.GetId())
	case *configpb.Invite:
		return v.Invite(m.GetId())
	case *configpb.Security:
		return v.Security()
	}
	return v.Options()
}

// expected is what reading gives of a written object: with its revision, the
// options with their defaults.
func expected(m proto.Message, revision uint64) proto.Message {
	m = proto.Clone(m)
	m.ProtoReflect().Set(m.ProtoReflect().Descriptor().Fields().ByName("revision"), protoreflect.ValueOfUint64(revision))
	if o, ok := m.(*configpb.Options); ok {
		orElse(&o.MinExpiresS, 60)
		orElse(&o.MaxExpiresS, max(7200, o.MinExpiresS))
		orElse(&o.DefaultExpiresS, min(max(3600, o.MinExpiresS), o.MaxExpiresS))
		orElse(&o.MaxContacts, 10)
		orElse(&o.PingMisses, 3)
		orElse(&o.MaxVoters, 5)
		orElse(&o.ReservationCollectMs, 100)
		o.RaftLogBytes = cmp.Or(o.RaftLogBytes, 16<<20)
		for v, d := range map[**uint32]uint32{&o.PingIntervalS: 30, &o.FlowGraceS: 32, &o.FirstWordMs: 2000, &o.DeadVoterS: 600, &o.TrunkOptionsS: 30} {
			if *v == nil {
				*v = &d
			}
		}
	}
	return m
}

func orElse(v *uint32, other uint32) {
	if *v == 0 {
		*v = other
	}
}

// level is what this program knows.
var level = fsm.Program().Known

// begin is the command that starts a state machine for these tests: without a
// realm, which could not change any more.
func begin() *peerpb.Command {
	return &peerpb.Command{Version: fsm.Version, NewEpoch: "e", Mutations: []*configpb.Mutation{
		put(&configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "10.0.0.1:7002", KeySha256: []string{strings.Repeat("f", 64)}}),
		put(&configpb.AgentGroup{Name: "g"}), put(&configpb.AgentGroup{Name: "h"}),
	}}
}

// beginHere is begin at the feature level of this program.
func beginHere() *peerpb.Command {
	c := begin()
	c.Level, c.Mutations[0].GetPutNode().FeatureLevel = level, level
	return c
}

func TestFields_SurviveStoreAndSnapshot(t *testing.T) {
	for _, path := range slices.Sorted(maps.Keys(samples)) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			digests := map[string]any{}
			for _, value := range samples[path].values {
				m := start(t)
				object := withField(t, path, value)
				apply(t, m, beginHere())
				apply(t, m, command(puts(object)...))
				want := expected(object, 2)
				digest, mark := m.Digest(), m.Mark()
				if other, twice := digests[digest]; twice {
					t.Errorf("the digest is the same for %v and %v", other, value)
				}
				digests[digest] = value
				for how, copied := range copies(t, m) {
					if got := find(copied.View(), object); !proto.Equal(got, want) {
						t.Errorf("%s:\n got  %v\n want %v", how, got, want)
					}
					if got := copied.Digest(); got != digest {
						t.Errorf("%s: the digest is another one", how)
					}
					if got := copied.Mark(); got != mark {
						t.Errorf("%s: the sum is another one", how)
					}
				}
			}
		})
	}
}

// Options with a field left out read like those with its default, but are
// stored as they were written.
func TestFields_DefaultsOfOptionsFollowEachOther(t *testing.T) {
	for _, c := range []struct{ in, want [3]uint32 }{
		{[3]uint32{0, 0, 0}, [3]uint32{60, 7200, 3600}},
		{[3]uint32{8000, 0, 0}, [3]uint32{8000, 8000, 8000}},
		{[3]uint32{0, 1000, 0}, [3]uint32{60, 1000, 1000}},
		{[3]uint32{4000, 5000, 0}, [3]uint32{4000, 5000, 4000}},
		{[3]uint32{10, 20, 15}, [3]uint32{10, 20, 15}},
	} {
		m := start(t)
		apply(t, m, begin())
		apply(t, m, &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{
			put(&configpb.Options{MinExpiresS: c.in[0], MaxExpiresS: c.in[1], DefaultExpiresS: c.in[2]}),
		}})
		for how, copied := range copies(t, m) {
			o := copied.View().Options()
			if got := [3]uint32{o.GetMinExpiresS(), o.GetMaxExpiresS(), o.GetDefaultExpiresS()}; got != c.want {
				t.Errorf("%s: %v: got %v, want %v", how, c.in, got, c.want)
			}
		}
	}
}

// An object that a newer program wrote keeps what this one does not know, in
// store and snapshot, until it is put anew.
func TestFields_OfANewerProgramAreKept(t *testing.T) {
	newer, taking := start(t), start(t)
	apply(t, newer, beginHere())
	for _, kind := range slices.Sorted(maps.Keys(objects())) {
		object := objects()[kind]
		apply(t, newer, command(put(object)))
	}
	plain := newer.Digest()
	for _, object := range objects() {
		if _, is := object.(*configpb.Options); is {
			continue // Options returns a copy
		}
		stored := find(newer.View(), object).ProtoReflect()
		stored.SetUnknown([]byte("\xc2\x3e\x05later")) // field 1000
	}
	digest := newer.Digest()
	if digest == plain {
		t.Fatal("the digest does not see fields of a newer program")
	}
	if err := restore(t, taking, snapshotOf(t, newer)); err != nil {
		t.Fatal(err)
	}
	for how, m := range copies(t, taking) {
		if m.Digest() != digest {
			t.Errorf("%s: fields of a newer program are lost", how)
		}
	}
}

// What a log entry of a newer program has besides is not stored: all nodes have
// the same bytes, whoever of them knows it.
func TestFields_OfANewerProgramInTheLogAreNotStored(t *testing.T) {
	m, twin := start(t), start(t)
	for _, m := range []machine{m, twin} {
		apply(t, m, beginHere())
	}
	for _, kind := range slices.Sorted(maps.Keys(objects())) {
		object := objects()[kind]
		apply(t, twin, command(put(object)))
		object.ProtoReflect().SetUnknown([]byte("\xc2\x3e\x05later"))
		apply(t, m, command(put(object)))
	}
	if m.Digest() != twin.Digest() {
		t.Error("they are in the state")
	}
}
