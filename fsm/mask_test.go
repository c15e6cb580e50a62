package fsm_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

func only(m *configpb.Mutation, paths ...string) *configpb.Mutation {
	m.Mask = &fieldmaskpb.FieldMask{Paths: paths}
	return m
}

// A mask changes what it names and nothing else: all that is not given is unset only
// when it is named.
func TestMask_ChangesWhatItNames(t *testing.T) {
	zero, forty := uint32(0), uint32(40)
	m := furnished(t)
	apply(t, m, command(options(func(o *configpb.Options) { o.MaxContacts, o.PingIntervalS, o.FlowGraceS = 7, &zero, &forty })))
	type d = configpb.DN
	for _, c := range []struct {
		name   string
		change *configpb.Mutation
		want   proto.Message
	}{
		{"one option", only(put(&configpb.Options{DesktopGraceS: 9}), "desktop_grace_s"),
			&configpb.Options{Realm: "example.com", MaxContacts: 7, PingIntervalS: &zero, FlowGraceS: &forty, DesktopGraceS: 9}},
		{"an option to zero, one to its default", only(put(&configpb.Options{FlowGraceS: &zero}), "flow_grace_s", "ping_interval_s"),
			&configpb.Options{Realm: "example.com", MaxContacts: 7, FlowGraceS: &zero, DesktopGraceS: 9}},
		{"a phone's groups", only(put(&d{Number: "1001", Groups: []string{"h"}}), "groups"),
			&d{Number: "1001", Kind: 1, Ha1: hex32, Groups: []string{"h"}}},
		{"a phone's password", only(put(&d{Number: "1001", Ha1: strings.Repeat("a", 32)}), "ha1"),
			&d{Number: "1001", Kind: 1, Ha1: strings.Repeat("a", 32), Groups: []string{"h"}}},
		{"what is not given is unset", only(put(&d{Number: "1001", Kind: 3, Disabled: true}), "groups", "disabled"),
			&d{Number: "1001", Kind: 1, Ha1: strings.Repeat("a", 32), Disabled: true}},
		{"a field of a field", only(put(&d{Number: "4000", Trunk: &configpb.Trunk{Prefix: "+1", Address: "x:1"}}), "trunk.prefix"),
			&d{Number: "4000", Kind: 4, Trunk: &configpb.Trunk{Address: "gw.example.com:5060", Prefix: "+1"}}},
		{"a field of nothing", only(put(&d{Number: "1001", Outbound: &configpb.Outbound{Class: 2}}), "outbound.class"),
			&d{Number: "1001", Kind: 1, Ha1: strings.Repeat("a", 32), Disabled: true, Outbound: &configpb.Outbound{Class: 2}}},
		{"nothing of nothing", only(put(&d{Number: "3000"}), "trunk.prefix", "outbound.class"),
			&d{Number: "3000", Kind: 3, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "h"}}},
		{"a group", only(put(&configpb.AgentGroup{Name: "h", LoginRequired: true}), "login_required"), &configpb.AgentGroup{Name: "h", LoginRequired: true}},
		{"a node", only(put(&configpb.Node{Id: "id-z", Site: "dc9"}), "site"),
			&configpb.Node{Id: "id-z", Name: "z", Site: "dc9", ClusterAddr: "10.0.0.9:7002", KeySha256: []string{strings.Repeat("e", 64)}, FeatureLevel: level}},
	} {
		index := apply(t, m, command(c.change))
		if o, ok := c.want.(*configpb.Options); ok {
			c.want = o.WithDefaults()
		}
		want := c.want.ProtoReflect()
		want.Set(want.Descriptor().Fields().ByName("revision"), protoreflect.ValueOfUint64(index))
		if has := stored(m.View(), c.want); !proto.Equal(has, c.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", c.name, has, c.want)
		}
	}
}

// stored is the object of the same key.
func stored(v *fsm.View, like proto.Message) proto.Message {
	switch o := like.(type) {
	case *configpb.DN:
		return v.DN(o.GetNumber())
	case *configpb.AgentGroup:
		return v.Group(o.GetName())
	case *configpb.Node:
		return v.Node(o.GetId())
	}
	return v.Options()
}

// What a mask can't do is refused, and nothing changes.
func TestMask_Refused(t *testing.T) {
	m := furnished(t)
	phone := func() *configpb.Mutation {
		return put(&configpb.DN{Number: "1001", Trunk: &configpb.Trunk{}, Groups: []string{"nope"}})
	}
	many := strings.Split(strings.Repeat("groups ", fsm.MaxMask+1), " ")[:fsm.MaxMask+1]
	for _, c := range []struct {
		name string
		m    *configpb.Mutation
		kind error
		text string
	}{
		{"no field", only(phone()), fsm.ErrInvalid, "names no field"},
		{"too many", only(phone(), many...), fsm.ErrInvalid, "at most 32"},
		{"an unknown field", only(phone(), "nope"), fsm.ErrInvalid, `"nope"`},
		{"an empty path", only(phone(), ""), fsm.ErrInvalid, `""`},
		{"the number", only(phone(), "number"), fsm.ErrInvalid, `"number"`},
		{"the revision", only(phone(), "revision"), fsm.ErrInvalid, `"revision"`},
		{"below a list", only(phone(), "groups.x"), fsm.ErrInvalid, `"groups.x"`},
		{"below a text", only(phone(), "ha1.x"), fsm.ErrInvalid, `"ha1.x"`},
		{"three deep", only(phone(), "trunk.inbound_auth.user"), fsm.ErrInvalid, `"trunk.inbound_auth.user"`},
		{"what does not fit the kind", only(phone(), "trunk"), fsm.ErrInvalid, "only kind trunk"},
		{"a group that is not there", only(phone(), "groups"), fsm.ErrInvalid, `group "nope"`},
		{"a DN that is not there", only(put(&configpb.DN{Number: "404"}), "groups"), fsm.ErrNotFound, "404"},
		{"a group that is not there", only(put(&configpb.AgentGroup{Name: "nope"}), "login_required"), fsm.ErrNotFound, "nope"},
		{"a node that is not there", only(put(&configpb.Node{Id: "nope", Name: "nope"}), "site"), fsm.ErrNotFound, "nope"},
		{"another revision", at(77, only(put(&configpb.DN{Number: "1001"}), "groups")), fsm.ErrRevision, "77"},
		{"another realm", only(put(&configpb.Options{Realm: "other"}), "realm"), fsm.ErrConflict, "realm"},
		{"a delete", only(deleteDN("1001"), "groups"), fsm.ErrInvalid, "mask goes with"},
		{"a mask of a token", only(put(objects()["secret"]), "name"), fsm.ErrInvalid, "mask goes with"},
	} {
		was := m.View()
		got := result(t, m, command(c.m))
		if !errors.Is(got.Err, c.kind) || !strings.Contains(fmt.Sprint(got.Err), c.text) {
			t.Errorf("%s: %v, want %v with %s", c.name, got.Err, c.kind, c.text)
		}
		if !proto.Equal(m.View().DN("1001"), was.DN("1001")) || m.View().NumDNs() != was.NumDNs() {
			t.Errorf("%s changed something", c.name)
		}
	}
}

// A digest goes with its realm: a mask that changes only the realm has no password for it.
func TestMask_ARealmWithoutItsPassword(t *testing.T) {
	m := furnished(t)
	auth := &configpb.TrunkAuth{User: "us", Ha1: hex32}
	apply(t, m, command(dn("trunk", func(d *configpb.DN) { d.Trunk.OutboundAuth, d.Trunk.OutboundRealm = auth, "one" })))
	other := &configpb.DN{Number: "4000", Trunk: &configpb.Trunk{OutboundRealm: "two", OutboundAuth: auth}}
	for _, keeps := range []bool{false, true} {
		c := only(put(proto.CloneOf(other)), "trunk.outbound_realm")
		c.KeepHa1 = keeps
		if got := result(t, m, command(c)); !errors.Is(got.Err, fsm.ErrInvalid) {
			t.Errorf("keep %v: %v", keeps, got.Err)
		}
	}
	apply(t, m, command(only(put(other), "trunk.outbound_realm", "trunk.outbound_auth")))
}

// What a mask leaves of a node is no change of who drains it.
func TestMask_RolesAreJudgedByWhatComesOut(t *testing.T) {
	v := furnished(t).View()
	drain := func(paths ...string) error {
		return v.Permits(configpb.Role_ROLE_OPERATOR, only(put(&configpb.Node{Id: "id-z", Site: "elsewhere", Draining: true}), paths...))
	}
	if drain("draining") != nil || drain("draining", "site") == nil || drain("nope") == nil {
		t.Error(drain("draining"), drain("draining", "site"), drain("nope"))
	}
}
