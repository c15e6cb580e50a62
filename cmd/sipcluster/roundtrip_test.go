package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

// whole is a configuration in which every field that people can set is set in
// some object; TestRoundTrip_EveryFieldIsInWhole fails for one that is not.
func whole() []proto.Message {
	return []proto.Message{
		&configpb.Options{Realm: "example.org", MinExpiresS: 61, MaxExpiresS: 7201, DefaultExpiresS: 3601, MaxContacts: 11, PingIntervalS: proto.Uint32(12), PingMisses: 4,
			DesktopGraceS: 5, ReservationCollectMs: 101, FlowGraceS: proto.Uint32(33), OrphanRingMs: 7, FirstWordMs: proto.Uint32(1500), MaxVoters: 3, DeadVoterS: proto.Uint32(60), TrunkOptionsS: proto.Uint32(20), RaftLogBytes: 1 << 21,
			Policy: policy(), AgentLogin: configpb.AgentLogin_AGENT_LOGIN_TAKE_OVER, DualRegistration: true, VoicemailTrunk: "4000"},
		&configpb.AgentGroup{Name: "sales", LoginRequired: true, Policy: policy()}, &configpb.AgentGroup{Name: "plain"},
		&configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("a", 32), Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5,
			Groups: []string{"sales", "plain"}, Capacity: 2, Skills: map[string]uint32{"sales": 7, "plain": 1}, DualRegistration: true,
			Dids: []string{"+4930101"}, CallerId: &configpb.CallerID{Number: "+4930101", Name: "Anna", Withheld: true}},
		&configpb.DN{Number: "1002", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("b", 64), Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, Disabled: true},
		&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: []string{"plain"}},
		&configpb.DN{Number: "3000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", TimeoutMs: 3000, TellPosition: true, PreferSameMedia: true,
			Policy: &configpb.Policy{RingTimeoutMs: proto.Uint32(9000), NoAnswerAction: 3, CoolDownS: proto.Uint32(0)}}},
		&configpb.DN{Number: "*51", Kind: configpb.DNKind_DN_KIND_FEATURE, Feature: &configpb.Feature{Action: 5}},
		&configpb.DN{Number: "4000", Kind: configpb.DNKind_DN_KIND_TRUNK, Outbound: &configpb.Outbound{Class: 2}, Trunk: &configpb.Trunk{
			Address: "192.0.2.9:5060", Prefix: "+", Priority: 7, MoreAddresses: []string{"192.0.2.11", "sbc2.example.org"}, Transport: configpb.TrunkTransport_TRUNK_TRANSPORT_TLS, NoOptions: true, Sources: []string{"192.0.2.0/28", "2001:db8::1"}, TlsName: "sbc.example.org", Trusted: true,
			InboundAuth: &configpb.TrunkAuth{User: "gw", Algorithm: 1, Ha1: strings.Repeat("d", 32)}, OutboundRealm: "carrier.example",
			OutboundAuth:    &configpb.TrunkAuth{User: "us@carrier", Algorithm: 2, Ha1: strings.Repeat("e", 64)},
			InboundNumbers:  &configpb.NumberRules{Called: []*configpb.NumberRule{{Match: "0", Strip: 1, Prepend: "+49"}, {Match: "1", Strip: 1}}, Caller: []*configpb.NumberRule{{Match: "00", Strip: 2, Prepend: "+"}}},
			OutboundNumbers: &configpb.NumberRules{Called: []*configpb.NumberRule{{Match: "+49.$", Strip: 3, Prepend: "0"}}, Caller: []*configpb.NumberRule{{Match: "+", Strip: 1, Prepend: "00"}}},
			CallerId:        &configpb.CallerID{Number: "+4930100", Name: "ACME", Withheld: true}, PreferredIdentity: true, UserPhone: true,
			InboundLimit: &configpb.TrunkLimit{Calls: 30, CallsPerS: 5}, OutboundLimit: &configpb.TrunkLimit{Calls: 20, CallsPerS: 4},
			Registration: &configpb.TrunkRegistration{Domain: "carrier.example", User: "acme", Called: "+4930100", ExpiresS: 300},
		}},
		&configpb.DN{Number: "4001", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.10:5060",
			OutboundRealm: "other.example", OutboundAuth: &configpb.TrunkAuth{User: "us", Algorithm: 1, Ha1: strings.Repeat("c", 32), Sha256Ha1: strings.Repeat("c", 64)}},
			Outbound: &configpb.Outbound{Class: 3, Prefixes: []string{"+49", "00"}}},
	}
}

func policy() *configpb.Policy {
	return &configpb.Policy{RingTimeoutMs: proto.Uint32(12_000), NoAnswerAction: 2, CoolDownS: proto.Uint32(20), WrapUpS: proto.Uint32(5), DesktopLost: 3}
}

// changes has for every field of whole a change of it, by object and field.
var changes = map[string]func(any){
	"Options.min_expires_s": option(func(o *configpb.Options) { o.MinExpiresS = 62 }), "Options.max_expires_s": option(func(o *configpb.Options) { o.MaxExpiresS = 7202 }),
	"Options.default_expires_s": option(func(o *configpb.Options) { o.DefaultExpiresS = 3602 }), "Options.max_contacts": option(func(o *configpb.Options) { o.MaxContacts = 12 }),
	"Options.ping_interval_s": option(func(o *configpb.Options) { o.PingIntervalS = proto.Uint32(0) }), "Options.ping_misses": option(func(o *configpb.Options) { o.PingMisses = 5 }),
	"Options.desktop_grace_s": option(func(o *configpb.Options) { o.DesktopGraceS = 0 }), "Options.reservation_collect_ms": option(func(o *configpb.Options) { o.ReservationCollectMs = 1 }),
	"Options.flow_grace_s": option(func(o *configpb.Options) { o.FlowGraceS = proto.Uint32(0) }), "Options.orphan_ring_ms": option(func(o *configpb.Options) { o.OrphanRingMs = 0 }),
	"Options.first_word_ms": option(func(o *configpb.Options) { o.FirstWordMs = proto.Uint32(0) }), "Options.max_voters": option(func(o *configpb.Options) { o.MaxVoters = 7 }), "Options.dead_voter_s": option(func(o *configpb.Options) { o.DeadVoterS = proto.Uint32(0) }),
	"Options.trunk_options_s": option(func(o *configpb.Options) { o.TrunkOptionsS = proto.Uint32(0) }),
	"Options.raft_log_bytes":  option(func(o *configpb.Options) { o.RaftLogBytes = 1 << 22 }),
	"Options.agent_login":     option(func(o *configpb.Options) { o.AgentLogin = 1 }), "Options.policy.ring_timeout_ms": option(func(o *configpb.Options) { o.Policy.RingTimeoutMs = nil }),
	"Options.policy.no_answer_action": option(func(o *configpb.Options) { o.Policy.NoAnswerAction = 0 }), "Options.policy.cool_down_s": option(func(o *configpb.Options) { o.Policy.CoolDownS = proto.Uint32(0) }),
	"Options.policy.wrap_up_s": option(func(o *configpb.Options) { o.Policy.WrapUpS = nil }), "Options.policy.desktop_lost": option(func(o *configpb.Options) { o.Policy.DesktopLost = 1 }),
	"AgentGroup.policy.ring_timeout_ms": ofSales(func(p *configpb.Policy) { p.RingTimeoutMs = nil }), "AgentGroup.policy.no_answer_action": ofSales(func(p *configpb.Policy) { p.NoAnswerAction = 0 }),
	"AgentGroup.policy.cool_down_s": ofSales(func(p *configpb.Policy) { p.CoolDownS = nil }), "AgentGroup.policy.wrap_up_s": ofSales(func(p *configpb.Policy) { p.WrapUpS = proto.Uint32(0) }),
	"AgentGroup.policy.desktop_lost":          ofSales(func(p *configpb.Policy) { p.DesktopLost = 0 }),
	"DN.routing_point.policy.ring_timeout_ms": ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.Policy.RingTimeoutMs = nil }), "DN.routing_point.policy.no_answer_action": ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.Policy.NoAnswerAction = 1 }),
	"DN.routing_point.policy.cool_down_s": ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.Policy.CoolDownS = nil }),
	"DN.routing_point.prefer_same_media":  ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.PreferSameMedia = false }),
	"DN.routing_point.tell_position":      ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.TellPosition = false }), "Options.voicemail_trunk": option(func(o *configpb.Options) { o.VoicemailTrunk = "4001" }),
	"Options.dual_registration": option(func(o *configpb.Options) { o.DualRegistration = false }), "DN.dual_registration": ofDN("1001", func(d *configpb.DN) { d.DualRegistration = false }),
	"DN.feature.action": ofDN("*51", func(d *configpb.DN) { d.Feature.Action = 6 }), "DN.capacity": ofDN("1001", func(d *configpb.DN) { d.Capacity = 0 }), "DN.skills": ofDN("1001", func(d *configpb.DN) { d.Skills["sales"] = 8 }),
	"AgentGroup.login_required": func(m any) {
		if g, ok := m.(*configpb.AgentGroup); ok {
			g.LoginRequired = !g.LoginRequired
		}
	},
	"DN.kind":                        ofDN("2001", func(d *configpb.DN) { d.Kind, d.External, d.Groups = configpb.DNKind_DN_KIND_ROUTING_POINT, "", nil }),
	"DN.disabled":                    ofDN("1002", func(d *configpb.DN) { d.Disabled = false }),
	"DN.algorithm":                   ofDN("1002", func(d *configpb.DN) { d.Algorithm, d.Ha1 = 1, d.GetHa1()[:32] }),
	"DN.ha1":                         ofDN("1001", func(d *configpb.DN) { d.Ha1 = strings.Repeat("c", 32) }),
	"DN.groups":                      ofDN("1001", func(d *configpb.DN) { d.Groups, d.Skills = []string{"plain"}, map[string]uint32{"plain": 1} }),
	"DN.external":                    ofDN("2001", func(d *configpb.DN) { d.External = "+15551234568" }),
	"DN.routing_point.default_group": ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.DefaultGroup = "plain" }),
	"DN.routing_point.timeout_ms":    ofDN("3000", func(d *configpb.DN) { d.RoutingPoint.TimeoutMs = 0 }),
	"DN.trunk.address":               ofDN("4000", func(d *configpb.DN) { d.Trunk.Address = "192.0.2.8:5060" }),
	"DN.trunk.more_addresses":        ofDN("4000", func(d *configpb.DN) { d.Trunk.MoreAddresses = d.Trunk.MoreAddresses[1:] }),
	"DN.trunk.transport":             ofDN("4000", func(d *configpb.DN) { d.Trunk.Transport = 2 }),
	"DN.trunk.no_options":            ofDN("4000", func(d *configpb.DN) { d.Trunk.NoOptions = false }),
	"DN.trunk.prefix":                ofDN("4000", func(d *configpb.DN) { d.Trunk.Prefix = "" }),
	"DN.trunk.priority":              ofDN("4000", func(d *configpb.DN) { d.Trunk.Priority = 0 }),
	"DN.trunk.sources":               ofDN("4000", func(d *configpb.DN) { d.Trunk.Sources = nil }),
	"DN.trunk.tls_name":              ofDN("4000", func(d *configpb.DN) { d.Trunk.TlsName = "" }),
	"DN.trunk.trusted":               ofDN("4000", func(d *configpb.DN) { d.Trunk.Trusted = false }),
	"DN.trunk.inbound_auth.user":     ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundAuth.User = "other" }),
	"DN.trunk.inbound_auth.algorithm": ofDN("4000", func(d *configpb.DN) {
		d.Trunk.InboundAuth.Algorithm, d.Trunk.InboundAuth.Ha1 = 2, strings.Repeat("d", 64)
	}),
	"DN.trunk.inbound_auth.ha1": ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundAuth.Ha1 = strings.Repeat("f", 32) }),
	"DN.dids":                   ofDN("1001", func(d *configpb.DN) { d.Dids = append(d.Dids, "+4930102") }),
	"DN.caller_id.number":       ofDN("1001", func(d *configpb.DN) { d.CallerId.Number = "+4930102" }), "DN.caller_id.name": ofDN("1001", func(d *configpb.DN) { d.CallerId.Name = "" }),
	"DN.caller_id.withheld":                    ofDN("1001", func(d *configpb.DN) { d.CallerId.Withheld = false }),
	"DN.trunk.caller_id.number":                ofDN("4000", func(d *configpb.DN) { d.Trunk.CallerId.Number = "+4930102" }),
	"DN.trunk.caller_id.name":                  ofDN("4000", func(d *configpb.DN) { d.Trunk.CallerId.Name = "" }),
	"DN.trunk.caller_id.withheld":              ofDN("4000", func(d *configpb.DN) { d.Trunk.CallerId.Withheld = false }),
	"DN.trunk.preferred_identity":              ofDN("4000", func(d *configpb.DN) { d.Trunk.PreferredIdentity = false }),
	"DN.trunk.user_phone":                      ofDN("4000", func(d *configpb.DN) { d.Trunk.UserPhone = false }),
	"DN.trunk.inbound_numbers.called.match":    ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundNumbers.Called[0].Match = "9" }),
	"DN.trunk.inbound_numbers.called.strip":    ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundNumbers.Called[0].Strip = 9 }),
	"DN.trunk.inbound_numbers.called.prepend":  ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundNumbers.Called[0].Prepend = "9" }),
	"DN.trunk.inbound_numbers.caller.match":    ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundNumbers.Caller[0].Match = "9" }),
	"DN.trunk.inbound_numbers.caller.strip":    ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundNumbers.Caller[0].Strip = 9 }),
	"DN.trunk.inbound_numbers.caller.prepend":  ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundNumbers.Caller[0].Prepend = "9" }),
	"DN.trunk.inbound_limit.calls":             ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundLimit.Calls = 9 }),
	"DN.trunk.inbound_limit.calls_per_s":       ofDN("4000", func(d *configpb.DN) { d.Trunk.InboundLimit.CallsPerS = 9 }),
	"DN.trunk.outbound_numbers.called.match":   ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundNumbers.Called[0].Match = "9" }),
	"DN.trunk.outbound_numbers.called.strip":   ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundNumbers.Called[0].Strip = 9 }),
	"DN.trunk.outbound_numbers.called.prepend": ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundNumbers.Called[0].Prepend = "9" }),
	"DN.trunk.outbound_numbers.caller.match":   ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundNumbers.Caller[0].Match = "9" }),
	"DN.trunk.outbound_numbers.caller.strip":   ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundNumbers.Caller[0].Strip = 9 }),
	"DN.trunk.outbound_numbers.caller.prepend": ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundNumbers.Caller[0].Prepend = "9" }),
	"DN.trunk.outbound_limit.calls":            ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundLimit.Calls = 9 }),
	"DN.trunk.outbound_limit.calls_per_s":      ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundLimit.CallsPerS = 9 }),
	"DN.trunk.registration.domain":             ofDN("4000", func(d *configpb.DN) { d.Trunk.Registration.Domain = "other.example" }),
	"DN.trunk.registration.user":               ofDN("4000", func(d *configpb.DN) { d.Trunk.Registration.User = "other" }),
	"DN.trunk.registration.called":             ofDN("4000", func(d *configpb.DN) { d.Trunk.Registration.Called = "9001" }),
	"DN.trunk.registration.expires_s":          ofDN("4000", func(d *configpb.DN) { d.Trunk.Registration.ExpiresS = 600 }),
	"DN.trunk.outbound_auth.user":              ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundAuth.User = "other" }),
	"DN.trunk.outbound_auth.algorithm": ofDN("4000", func(d *configpb.DN) {
		d.Trunk.OutboundAuth.Algorithm, d.Trunk.OutboundAuth.Ha1 = 1, strings.Repeat("e", 32)
	}),
	"DN.trunk.outbound_auth.ha1": ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundAuth.Ha1 = strings.Repeat("f", 64) }),
	"DN.trunk.outbound_auth.sha256_ha1": ofDN("4000", func(d *configpb.DN) {
		d.Trunk.OutboundAuth = &configpb.TrunkAuth{User: "us@carrier", Algorithm: 1, Ha1: strings.Repeat("e", 32), Sha256Ha1: strings.Repeat("d", 64)}
	}),
	"DN.trunk.outbound_realm": ofDN("4000", func(d *configpb.DN) { d.Trunk.OutboundRealm = "other" }),
	"DN.outbound.class":       ofDN("4000", func(d *configpb.DN) { d.Outbound.Class = 1 }),
	"DN.outbound.prefixes":    ofDN("4001", func(d *configpb.DN) { d.Outbound.Prefixes = []string{"+49"} }),
}

// fixed are fields that name the object, or can't change, or which a routing point does not have.
var fixed = []string{"Options.realm", "AgentGroup.name", "DN.number", "DN.routing_point.policy.wrap_up_s", "DN.routing_point.policy.desktop_lost", "DN.trunk.inbound_auth.sha256_ha1"}

func option(change func(*configpb.Options)) func(any) {
	return func(m any) {
		if o, ok := m.(*configpb.Options); ok {
			change(o)
		}
	}
}

func ofSales(change func(*configpb.Policy)) func(any) {
	return func(m any) {
		if g, ok := m.(*configpb.AgentGroup); ok && g.GetName() == "sales" {
			change(g.Policy)
		}
	}
}

func ofDN(number string, change func(*configpb.DN)) func(any) {
	return func(m any) {
		if d, ok := m.(*configpb.DN); ok && d.GetNumber() == number {
			change(d)
		}
	}
}

// fieldsOf visits the fields below m that hold values.
func fieldsOf(m protoreflect.MessageDescriptor, path string, visit func(string)) {
	for i := range m.Fields().Len() {
		fd := m.Fields().Get(i)
		switch name := path + "." + string(fd.Name()); {
		case fd.Name() == "revision":
		case fd.Message() != nil && !fd.IsMap():
			fieldsOf(fd.Message(), name, visit)
		default:
			visit(name)
		}
	}
}

func setFields(m protoreflect.Message, path string, set map[string]bool) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := path + "." + string(fd.Name())
		set[name] = true
		switch {
		case fd.Message() == nil, fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				setFields(v.List().Get(i).Message(), name, set)
			}
		default:
			setFields(v.Message(), name, set)
		}
		return true
	})
}

func TestRoundTrip_EveryFieldIsInWhole(t *testing.T) {
	set, known := map[string]bool{}, 0
	for _, m := range whole() {
		setFields(m.ProtoReflect(), string(m.ProtoReflect().Descriptor().Name()), set)
	}
	for _, m := range []proto.Message{&configpb.Options{}, &configpb.AgentGroup{}, &configpb.DN{}} {
		d := m.ProtoReflect().Descriptor()
		fieldsOf(d, string(d.Name()), func(path string) {
			known++
			if !set[path] && !strings.HasPrefix(path, "DN.routing_point.policy.") && path != "DN.trunk.inbound_auth.sha256_ha1" {
				t.Errorf("%s is set in no object of whole: set it, export it and read it in apply", path)
			}
			if changes[path] == nil && !slices.Contains(fixed, path) {
				t.Errorf("%s has no change in changes", path)
			}
		})
	}
	if known < 20 {
		t.Fatalf("only %d fields were found", known)
	}
}

// state is what a node has, without revisions.
func state(t *testing.T, addr string) map[string]proto.Message {
	t.Helper()
	cl, err := client.Connect(addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	all := map[string]proto.Message{}
	err = cl.Export(t.Context(), &configpb.ExportRequest{Secrets: true, Linearizable: true}, func(p *configpb.ExportResponse) error {
		if p.Options != nil {
			p.Options.Revision = 0
			all["options"] = p.Options
		}
		for _, g := range p.Groups {
			g.Revision = 0
			all["group "+g.Name] = g
		}
		for _, d := range p.Dns {
			d.Revision = 0
			all["DN "+d.Number] = d
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantState(t *testing.T, addr, when string, want map[string]proto.Message) {
	t.Helper()
	got := state(t, addr)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !proto.Equal(got[key], want[key]) {
			t.Errorf("%s: %s:\n got  %v\n want %v", when, key, got[key], want[key])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d objects, want %d", when, len(got), len(want))
	}
}

func putAll(t *testing.T, addr string, objects []proto.Message) {
	t.Helper()
	cl, err := client.Connect(addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var ms []*configpb.Mutation
	for _, m := range objects {
		switch m := m.(type) {
		case *configpb.Options:
			ms = append(ms, &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: m}})
		case *configpb.AgentGroup:
			ms = append(ms, &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: m}})
		case *configpb.DN:
			ms = append(ms, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: m}})
		}
	}
	if err := cl.Write(t.Context(), ms...); err != nil {
		t.Fatal(err)
	}
}

// What a node exports makes another one the same, and undoes the change of any
// field; applied again it changes nothing.
func TestRoundTrip_ExportAndApplyBringEveryFieldBack(t *testing.T) {
	one, other := oneNode(t), oneNode(t)
	putAll(t, one.TCAddr, whole())
	want := map[string]proto.Message{}
	for _, m := range whole() {
		switch m := m.(type) {
		case *configpb.Options:
			want["options"] = m
		case *configpb.AgentGroup:
			want["group "+m.Name] = m
		case *configpb.DN:
			want["DN "+m.Number] = m
		}
	}
	wantState(t, one.TCAddr, "written", want)
	from, to := operator{t, one.TCAddr}, operator{t, other.TCAddr}
	text := from.does("", "export")
	to.does(text, "apply", "-f", "-")
	wantState(t, other.TCAddr, "applied to an empty node", want)
	clienttest.Same(t, to.does(text, "apply", "-f", "-"), "unchanged\n")
	clienttest.Same(t, withoutNodes(to.does("", "export")), withoutNodes(text))
	for _, field := range slices.Sorted(maps.Keys(changes)) {
		objects := whole()
		for _, m := range objects {
			changes[field](m)
		}
		putAll(t, other.TCAddr, objects)
		if got := to.does(text, "apply", "-f", "-", "--dry-run"); !strings.HasPrefix(got, "would be: ") || !strings.Contains(got, "changed") {
			t.Errorf("%s: a dry run says %q", field, got)
		}
		to.does(text, "apply", "-f", "-")
		wantState(t, other.TCAddr, field, want)
	}
	plain := from.does("", "export", "--no-secrets")
	if strings.Contains(plain, "ha1:") {
		t.Error("an export without secrets has some")
	}
	clienttest.Same(t, to.does(plain, "apply", "-f", "-"), "unchanged\n")
	wantState(t, other.TCAddr, "without secrets", want)
}

// withoutNodes leaves the comment with the nodes' own addresses out.
func withoutNodes(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#   ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
