package fsm_test

import (
	"bytes"
	"cmp"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// A field of what is stored: an object that may have it, and two values that
// are valid in it and not the default.
type sample struct {
	of     string // which of the objects below
	values [2]any
}

const (
	hex32 = "0123456789abcdef0123456789abcdef"
	hex64 = hex32 + hex32
)

// objects are one of each kind, with no more than they need.
func objects() map[string]proto.Message {
	return map[string]proto.Message{
		"options":    &configpb.Options{Realm: "example.com"},
		"group":      &configpb.AgentGroup{Name: "sales"},
		"node":       &configpb.Node{Id: "id-z", Name: "z", ClusterAddr: "10.0.0.9:7002", KeySha256: []string{strings.Repeat("e", 64)}, FeatureLevel: level},
		"sip":        &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: hex32},
		"sha":        &configpb.DN{Number: "1002", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: hex64, Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256},
		"pstn":       &configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"},
		"point":      &configpb.DN{Number: "3000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT},
		"secret":     &configpb.Token{Id: "abcdefghij01", SecretSha256: hex64, Name: "router", Role: configpb.Role_ROLE_ROUTER},
		"cert":       &configpb.Token{Id: "abcdefghij02", CertificateSha256: hex64, Name: "scraper", Role: configpb.Role_ROLE_METRICS},
		"trunk":      &configpb.DN{Number: "4000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "gw.example.com:5060"}},
		"y-security": security(),
		"feature":    &configpb.DN{Number: "*50", Kind: configpb.DNKind_DN_KIND_FEATURE, Feature: &configpb.Feature{Action: 1}},
		"z-invite":   &configpb.Invite{Id: "abcdefgh0123", SecretSha256: hex64, ExpiresMs: 1},
	}
}

// security is the object of a secured cluster; it is put before an invite can be.
func security() *configpb.Security {
	return &configpb.Security{Authorities: []*configpb.Authority{authority("a")}, Gossip: ring(1, 1), Routes: ring(1, 1)}
}

func authority(name string) *configpb.Authority {
	return &configpb.Authority{Certificate: []byte("certificate " + name), SealedKey: []byte("key " + name)}
}

// ring of keys 1 to n.
func ring(primary uint32, n int) *configpb.Keyring {
	r := &configpb.Keyring{Primary: primary}
	for i := range n {
		r.Keys = append(r.Keys, &configpb.Key{Id: uint32(i + 1), Secret: bytes.Repeat([]byte{byte(i + 1)}, fsm.RingKey), MadeMs: 7})
	}
	return r
}

// secured are two security objects, each changed.
func secured(one, two func(*configpb.Security)) sample {
	a, b := security(), security()
	one(a)
	two(b)
	return sample{"y-security", [2]any{a, b}}
}

// samples has every field of every stored object. A field that it lacks fails
// TestFields_AllAreSampled.
var samples = withNumbers(withPolicies(map[string]sample{
	"DN.number":                        {"sip", [2]any{"77", "A-z0.9_*#+"}},
	"DN.kind":                          {"point", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(2)}},
	"DN.disabled":                      {"sip", [2]any{true, false}},
	"DN.algorithm":                     {"sip", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(2)}},
	"DN.ha1":                           {"sip", [2]any{strings.Repeat("a", 32), strings.Repeat("b", 32)}},
	"DN.groups":                        {"sip", [2]any{[]string{"g"}, []string{"h", "g"}}},
	"DN.external":                      {"pstn", [2]any{"+491234567", "491234567"}},
	"DN.routing_point":                 {"point", [2]any{&configpb.RoutingPoint{TimeoutMs: 3}, &configpb.RoutingPoint{DefaultGroup: "g"}}},
	"DN.routing_point.default_group":   {"point", [2]any{"g", "h"}},
	"DN.routing_point.timeout_ms":      {"point", [2]any{uint32(1), uint32(600_000)}},
	"DN.trunk":                         {"trunk", [2]any{&configpb.Trunk{Address: "gw2:5060"}, &configpb.Trunk{Address: "gw3:5060"}}},
	"DN.trunk.address":                 {"trunk", [2]any{"192.0.2.1:5060", "[2001:db8::1]:65535"}},
	"DN.trunk.more_addresses":          {"trunk", [2]any{[]string{"gw5.example.com"}, []string{"192.0.2.2", "[2001:db8::2]:5061", "2001:db8::3"}}},
	"DN.trunk.transport":               {"trunk", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(3)}},
	"DN.trunk.no_options":              {"trunk", [2]any{true, false}},
	"DN.trunk.prefix":                  {"trunk", [2]any{"+1", "00*#"}},
	"DN.trunk.priority":                {"trunk", [2]any{uint32(1), uint32(1<<32 - 1)}},
	"AgentGroup.name":                  {"group", [2]any{"other", "Third.group-3_"}},
	"AgentGroup.login_required":        {"group", [2]any{true, false}},
	"Node.id":                          {"node", [2]any{"id-y", "id-x"}},
	"Node.name":                        {"node", [2]any{"y", "node-9"}},
	"Node.site":                        {"node", [2]any{"dc1", "dc2"}},
	"Node.sip_addr":                    {"node", [2]any{"10.0.0.1:1", "10.0.0.2:1"}},
	"Node.default_addr":                {"node", [2]any{"10.0.0.1:2", "10.0.0.2:2"}},
	"Node.tc_addr":                     {"node", [2]any{"10.0.0.1:3", "10.0.0.2:3"}},
	"Node.cluster_addr":                {"node", [2]any{"10.0.0.1:4", "10.0.0.2:4"}},
	"Node.gossip_addr":                 {"node", [2]any{"10.0.0.1:5", "10.0.0.2:5"}},
	"Node.http_addr":                   {"node", [2]any{"10.0.0.1:6", "10.0.0.2:6"}},
	"Node.non_voter":                   {"node", [2]any{true, false}},
	"Node.draining":                    {"node", [2]any{true, false}},
	"Node.drain_until_ms":              {"node", [2]any{uint64(1), uint64(7_258_118_400_000)}},
	"Node.drain_for_ms":                {"node", [2]any{uint64(1), uint64(2_592_000_000)}},
	"Token.id":                         {"secret", [2]any{"zzzzzzzzzzzz", "000000000000"}},
	"Token.secret_sha256":              {"secret", [2]any{strings.Repeat("a", 64), strings.Repeat("b", 64)}},
	"Token.certificate_sha256":         {"cert", [2]any{strings.Repeat("a", 64), strings.Repeat("b", 64)}},
	"Token.name":                       {"secret", [2]any{"a", "Stat.server-2_"}},
	"Token.role":                       {"secret", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(7)}},
	"Token.scope":                      {"secret", [2]any{&configpb.Scope{Groups: []string{"g"}}, &configpb.Scope{}}},
	"Token.scope.routing_points":       {"secret", [2]any{[]string{"8000"}, []string{"8001", "8000"}}},
	"Token.scope.groups":               {"secret", [2]any{[]string{"g"}, []string{"h", "g"}}},
	"Token.scope.dn_prefixes":          {"secret", [2]any{[]string{"1"}, []string{"2", "10"}}},
	"Token.scope.external_prefixes":    {"secret", [2]any{[]string{"+49"}, []string{"00", "+1"}}},
	"Token.not_before_ms":              {"secret", [2]any{uint64(1), uint64(7_258_118_400_000)}},
	"Token.expires_ms":                 {"secret", [2]any{uint64(1), uint64(7_258_118_400_000)}},
	"Options.realm":                    {"options", [2]any{"one.example", "two_2.example"}},
	"Options.min_expires_s":            {"options", [2]any{uint32(30), uint32(3600)}},
	"Options.max_expires_s":            {"options", [2]any{uint32(3601), uint32(2_678_400)}},
	"Options.default_expires_s":        {"options", [2]any{uint32(61), uint32(7199)}},
	"Options.max_contacts":             {"options", [2]any{uint32(1), uint32(100)}},
	"Options.ping_interval_s":          {"options", [2]any{uint32(0), uint32(86_400)}},
	"Options.ping_misses":              {"options", [2]any{uint32(1), uint32(100)}},
	"Options.desktop_grace_s":          {"options", [2]any{uint32(1), uint32(300)}},
	"Options.reservation_collect_ms":   {"options", [2]any{uint32(1), uint32(2000)}},
	"Options.flow_grace_s":             {"options", [2]any{uint32(0), uint32(300)}},
	"Options.orphan_ring_ms":           {"options", [2]any{uint32(1), uint32(30_000)}},
	"Node.feature_level":               {"node", [2]any{level + 1, uint32(fsm.MaxLevel)}},
	"Options.raft_log_bytes":           {"options", [2]any{uint64(fsm.MinRaftLog), uint64(fsm.MaxRaftLog)}},
	"Options.max_voters":               {"options", [2]any{uint32(1), uint32(9)}},
	"Options.dead_voter_s":             {"options", [2]any{uint32(0), uint32(30 * 24 * 3600)}},
	"Options.trunk_options_s":          {"options", [2]any{uint32(0), uint32(3600)}},
	"Options.first_word_ms":            {"options", [2]any{uint32(0), uint32(32_000)}},
	"Node.key_sha256":                  {"node", [2]any{[]string{hex64}, []string{hex64[1:] + "a", hex64}}},
	"Invite.id":                        {"z-invite", [2]any{"000000000000", "zzzzzzzzzzzz"}},
	"Invite.secret_sha256":             {"z-invite", [2]any{strings.Repeat("a", 64), strings.Repeat("b", 64)}},
	"Invite.node_name":                 {"z-invite", [2]any{"n-1", "n-2"}},
	"Invite.expires_ms":                {"z-invite", [2]any{uint64(1), uint64(7_258_118_400_000)}},
	"Security.authorities":             secured(func(s *configpb.Security) { s.Authorities = append(s.Authorities, authority("b")) }, func(s *configpb.Security) { s.Authorities[0] = authority("c") }),
	"Security.authorities.certificate": secured(func(s *configpb.Security) { s.Authorities[0].Certificate = []byte("x") }, func(s *configpb.Security) { s.Authorities[0].Certificate = []byte("y") }),
	"Security.authorities.sealed_key":  secured(func(s *configpb.Security) { s.Authorities[0].SealedKey = []byte("x") }, func(s *configpb.Security) { s.Authorities[0].SealedKey = []byte("y") }),
	"Security.authorities.cross":       secured(func(s *configpb.Security) { s.Authorities[0].Cross = []byte("x") }, func(s *configpb.Security) { s.Authorities[0].Cross = []byte("y") }),
	"Security.authorities.previous":    secured(func(s *configpb.Security) { s.Authorities[0].Previous = []byte("x") }, func(s *configpb.Security) { s.Authorities[0].Previous = []byte("y") }),
	"Security.authorities.made_ms":     secured(func(s *configpb.Security) { s.Authorities[0].MadeMs = 1 }, func(s *configpb.Security) { s.Authorities[0].MadeMs = 2 }),
	"Security.gossip":                  secured(func(s *configpb.Security) { s.Gossip = ring(1, 2) }, func(s *configpb.Security) { s.Gossip = ring(1, 3) }),
	"Security.gossip.primary":          secured(func(s *configpb.Security) { s.Gossip = ring(2, 3) }, func(s *configpb.Security) { s.Gossip = ring(3, 3) }),
	"Security.gossip.keys":             secured(func(s *configpb.Security) { s.Gossip = ring(1, 2) }, func(s *configpb.Security) { s.Gossip = ring(1, 3) }),
	"Security.gossip.keys.id":          secured(func(s *configpb.Security) { s.Gossip.Keys[0].Id, s.Gossip.Primary = 5, 5 }, func(s *configpb.Security) { s.Gossip.Keys[0].Id, s.Gossip.Primary = 6, 6 }),
	"Security.gossip.keys.secret":      secured(func(s *configpb.Security) { s.Gossip.Keys[0].Secret = bytes.Repeat([]byte("x"), 32) }, func(s *configpb.Security) { s.Gossip.Keys[0].Secret = bytes.Repeat([]byte("y"), 32) }),
	"Security.gossip.keys.made_ms":     secured(func(s *configpb.Security) { s.Gossip.Keys[0].MadeMs = 8 }, func(s *configpb.Security) { s.Gossip.Keys[0].MadeMs = 9 }),
	"Security.routes":                  secured(func(s *configpb.Security) { s.Routes = ring(1, 2) }, func(s *configpb.Security) { s.Routes = ring(1, 3) }),
	"Security.routes.primary":          secured(func(s *configpb.Security) { s.Routes = ring(2, 3) }, func(s *configpb.Security) { s.Routes = ring(3, 3) }),
	"Security.routes.keys":             secured(func(s *configpb.Security) { s.Routes = ring(1, 2) }, func(s *configpb.Security) { s.Routes = ring(1, 3) }),
	"Security.routes.keys.id":          secured(func(s *configpb.Security) { s.Routes.Keys[0].Id, s.Routes.Primary = 5, 5 }, func(s *configpb.Security) { s.Routes.Keys[0].Id, s.Routes.Primary = 6, 6 }),
	"Security.routes.keys.secret":      secured(func(s *configpb.Security) { s.Routes.Keys[0].Secret = bytes.Repeat([]byte("x"), 32) }, func(s *configpb.Security) { s.Routes.Keys[0].Secret = bytes.Repeat([]byte("y"), 32) }),
	"Security.routes.keys.made_ms":     secured(func(s *configpb.Security) { s.Routes.Keys[0].MadeMs = 8 }, func(s *configpb.Security) { s.Routes.Keys[0].MadeMs = 9 }),

	"DN.trunk.sources":                  {"trunk", [2]any{[]string{"192.0.2.0/28", "2001:db8::1"}, []string{"192.0.2.1"}}},
	"DN.trunk.tls_name":                 {"trunk", [2]any{"sbc.example.com", "other.example.com"}},
	"DN.trunk.trusted":                  {"trunk", [2]any{true, false}},
	"DN.trunk.inbound_auth":             {"trunk", [2]any{&configpb.TrunkAuth{User: "gw", Ha1: hex32}, &configpb.TrunkAuth{User: "gw2", Ha1: hex32}}},
	"DN.trunk.inbound_auth.user":        {"trunk", [2]any{"gw", "a@b"}},
	"DN.trunk.inbound_auth.algorithm":   {"trunk", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(2)}},
	"DN.trunk.inbound_auth.ha1":         {"trunk", [2]any{strings.Repeat("a", 32), strings.Repeat("b", 32)}},
	"DN.trunk.outbound_auth":            {"trunk", [2]any{&configpb.TrunkAuth{User: "us", Ha1: hex32}, &configpb.TrunkAuth{User: "us2", Ha1: hex32}}},
	"DN.trunk.outbound_auth.user":       {"trunk", [2]any{"us", "a@b"}},
	"DN.trunk.outbound_auth.algorithm":  {"trunk", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(2)}},
	"DN.trunk.outbound_auth.ha1":        {"trunk", [2]any{strings.Repeat("a", 32), strings.Repeat("b", 32)}},
	"DN.trunk.outbound_auth.sha256_ha1": {"trunk", [2]any{strings.Repeat("a", 64), strings.Repeat("b", 64)}},
	"DN.trunk.outbound_realm":           {"trunk", [2]any{"carrier.example", "Any realm"}},
	"DN.feature":                        {"feature", [2]any{&configpb.Feature{Action: 2}, &configpb.Feature{Action: 3}}},
	"DN.feature.action":                 {"feature", [2]any{protoreflect.EnumNumber(4), protoreflect.EnumNumber(6)}},
	"DN.capacity":                       {"sip", [2]any{uint32(2), uint32(100)}},
	"DN.dual_registration":              {"sip", [2]any{true, false}},
	"Options.dual_registration":         {"options", [2]any{true, false}},
	"Options.voicemail_trunk":           {"options", [2]any{"4000", "voicemail"}},
	"DN.routing_point.tell_position":    {"point", [2]any{true, false}},

	"DN.routing_point.prefer_same_media": {"point", [2]any{true, false}},

	"DN.skills":                       {"sip", [2]any{map[string]uint32{"g": 1, "h": 100}, map[string]uint32{"h": 1, "g": 100}}},
	"DN.outbound":                     {"sip", [2]any{&configpb.Outbound{Class: 1}, &configpb.Outbound{Class: 2}}},
	"DN.outbound.class":               {"sip", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(3)}},
	"DN.outbound.prefixes":            {"trunk", [2]any{[]string{"+49"}, []string{"+49", "00*#"}}},
	"DN.dids":                         {"point", [2]any{[]string{"+4930100"}, []string{"4930101", "+4930102"}}},
	"DN.caller_id":                    {"sip", [2]any{&configpb.CallerID{Number: "+4930100"}, &configpb.CallerID{Withheld: true}}},
	"DN.caller_id.number":             {"sip", [2]any{"+4930100", "4930101"}},
	"DN.caller_id.name":               {"pstn", [2]any{"ACME", "ACME Berlin"}},
	"DN.caller_id.withheld":           {"sip", [2]any{true, false}},
	"DN.trunk.caller_id":              {"trunk", [2]any{&configpb.CallerID{Number: "+4930100"}, &configpb.CallerID{Withheld: true}}},
	"DN.trunk.caller_id.number":       {"trunk", [2]any{"+4930100", "4930101"}},
	"DN.trunk.caller_id.name":         {"trunk", [2]any{"ACME", "ACME Berlin"}},
	"DN.trunk.caller_id.withheld":     {"trunk", [2]any{true, false}},
	"DN.trunk.preferred_identity":     {"trunk", [2]any{true, false}},
	"DN.trunk.registration":           {"trunk", [2]any{&configpb.TrunkRegistration{User: "acme"}, &configpb.TrunkRegistration{User: "acme", ExpiresS: 60}}},
	"DN.trunk.registration.domain":    {"trunk", [2]any{"carrier.example", "other.example"}},
	"DN.trunk.registration.user":      {"trunk", [2]any{"acme", "+4930@x"}},
	"DN.trunk.registration.called":    {"trunk", [2]any{"+4930100", "9001"}},
	"DN.trunk.registration.expires_s": {"trunk", [2]any{uint32(60), uint32(86_400)}},
	"DN.trunk.user_phone":             {"trunk", [2]any{true, false}},
	"Options.agent_login":             {"options", [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(2)}},
}, "Options.policy", "options", "AgentGroup.policy", "group", "DN.routing_point.policy", "point"))

// withNumbers adds what a trunk has for each direction.
func withNumbers(all map[string]sample) map[string]sample {
	for _, direction := range []string{"inbound", "outbound"} {
		rule := &configpb.NumberRule{Match: "00$", Strip: 2, Prepend: "+"}
		rules, limit := "DN.trunk."+direction+"_numbers", "DN.trunk."+direction+"_limit"
		all[rules] = sample{"trunk", [2]any{&configpb.NumberRules{Called: []*configpb.NumberRule{rule}}, &configpb.NumberRules{Caller: []*configpb.NumberRule{rule, {}}}}}
		for _, of := range []string{".called", ".caller"} {
			all[rules+of] = sample{"trunk", [2]any{[]*configpb.NumberRule{rule}, []*configpb.NumberRule{{}, rule}}}
			all[rules+of+".match"] = sample{"trunk", [2]any{"0", "+*#.$"}}
			all[rules+of+".strip"] = sample{"trunk", [2]any{uint32(1), uint32(32)}}
			all[rules+of+".prepend"] = sample{"trunk", [2]any{"0", "+*#"}}
		}
		all[limit] = sample{"trunk", [2]any{&configpb.TrunkLimit{Calls: 1}, &configpb.TrunkLimit{CallsPerS: 1}}}
		all[limit+".calls"] = sample{"trunk", [2]any{uint32(1), uint32(100_000)}}
		all[limit+".calls_per_s"] = sample{"trunk", [2]any{uint32(1), uint32(10_000)}}
	}
	return all
}

// withPolicies adds the fields of a policy below the paths, each with the object that may
// have it; a routing point's has fewer.
func withPolicies(all map[string]sample, pathsAndObjects ...string) map[string]sample {
	for i := 0; i < len(pathsAndObjects); i += 2 {
		path, of := pathsAndObjects[i], pathsAndObjects[i+1]
		all[path] = sample{of, [2]any{&configpb.Policy{CoolDownS: proto.Uint32(0)}, &configpb.Policy{NoAnswerAction: 3}}}
		all[path+".ring_timeout_ms"] = sample{of, [2]any{uint32(1), uint32(600_000)}}
		all[path+".no_answer_action"] = sample{of, [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(2)}}
		all[path+".cool_down_s"] = sample{of, [2]any{uint32(0), uint32(3600)}}
		if of == "point" {
			continue // it refuses the others
		}
		all[path+".wrap_up_s"] = sample{of, [2]any{uint32(0), uint32(7200)}}
		all[path+".desktop_lost"] = sample{of, [2]any{protoreflect.EnumNumber(1), protoreflect.EnumNumber(3)}}
	}
	return all
}

// adjust makes the rest of the object fit a value.
func adjust(path string, value any, m proto.Message) {
	d, ok := m.(*configpb.DN)
	if !ok {
		return
	}
	switch kind := d.GetKind(); {
	case path == "DN.kind" && kind == configpb.DNKind_DN_KIND_SIP:
		d.Ha1 = hex32
	case path == "DN.kind" && kind == configpb.DNKind_DN_KIND_PSTN:
		d.External = "+1555"
	case path == "DN.skills":
		d.Groups = []string{"g", "h"}
	case path == "DN.algorithm" && value == protoreflect.EnumNumber(2):
		d.Ha1 = hex64
	case d.GetOutbound() != nil:
		adjustOutbound(d.Outbound)
	case d.GetCallerId() != nil:
		d.CallerId.Number = cmp.Or(d.CallerId.Number, "+4930199")
	case d.GetTrunk() != nil:
		adjustTrunk(d.Trunk)
	}
}

func adjustOutbound(o *configpb.Outbound) {
	const prefixes = configpb.OutboundClass_OUTBOUND_CLASS_PREFIXES
	switch {
	case len(o.Prefixes) > 0:
		o.Class = prefixes
	case o.Class == prefixes:
		o.Prefixes = []string{"0"}
	}
}

func adjustTrunk(t *configpb.Trunk) {
	if r := t.Registration; r != nil {
		r.User = cmp.Or(r.User, "acme")
	}
	if c := t.CallerId; c != nil {
		c.Number = cmp.Or(c.Number, "+4930199")
	}
	switch {
	case t.OutboundAuth != nil && t.OutboundRealm == "":
		t.OutboundRealm = "carrier.example"
	case t.OutboundAuth == nil && t.OutboundRealm != "":
		t.OutboundAuth = &configpb.TrunkAuth{}
	}
	for _, a := range []*configpb.TrunkAuth{t.InboundAuth, t.OutboundAuth} {
		if a == nil {
			continue
		}
		a.User = cmp.Or(a.User, "gw")
		if a.Sha256Ha1 != "" {
			a.Algorithm = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5
		}
		if a.Ha1 == "" {
			a.Ha1 = map[bool]string{false: hex32, true: hex64}[a.Algorithm == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256]
		}
	}
}

// storedMessages are those of the objects that a mutation puts.
func storedMessages() []protoreflect.MessageDescriptor {
	var all []protoreflect.MessageDescriptor
	ops := (&configpb.Mutation{}).ProtoReflect().Descriptor().Oneofs().ByName("op").Fields()
	for i := range ops.Len() {
		if m := ops.Get(i).Message(); m != nil && m.Name() != "Join" { // puts a node
			all = append(all, m)
		}
	}
	return all
}

// paths names every field below m. Revisions are the cluster's own.
func paths(m protoreflect.MessageDescriptor, prefix string) []string {
	var all []string
	for i := range m.Fields().Len() {
		fd := m.Fields().Get(i)
		path := prefix + "." + string(fd.Name())
		if fd.Name() != "revision" {
			all = append(all, path)
		}
		if fd.Message() != nil && !fd.IsMap() {
			all = append(all, paths(fd.Message(), path)...)
		}
	}
	return all
}
