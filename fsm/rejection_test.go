package fsm_test

import (
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

type mutations = []*configpb.Mutation

func deleteDN(number string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}}
}

func deleteGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: name}}
}

func deleteNode(id string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: id}}
}

func at(revision uint64, m *configpb.Mutation) *configpb.Mutation {
	m.IfRevision = &revision
	return m
}

func keep(m *configpb.Mutation) *configpb.Mutation {
	m.KeepHa1 = true
	return m
}

func command(ms ...*configpb.Mutation) *peerpb.Command {
	return &peerpb.Command{Version: fsm.Version, Mutations: ms}
}

// dn is the object of a kind, changed.
func dn(kind string, change func(*configpb.DN)) *configpb.Mutation {
	d := objects()[kind].(*configpb.DN)
	change(d)
	return put(d)
}

func node(change func(*configpb.Node)) *configpb.Mutation {
	n := objects()["node"].(*configpb.Node)
	change(n)
	return put(n)
}

func options(change func(*configpb.Options)) *configpb.Mutation {
	o := objects()["options"].(*configpb.Options)
	change(o)
	return put(o)
}

// furnished has, beside groups g and h and node a (entry 1), options, phone
// 1001 in g, routing point 3000 of h, a trunk and node z (entry 2).
func furnished(t testing.TB) machine {
	t.Helper()
	m := start(t)
	apply(t, m, beginHere())
	apply(t, m, command(put(objects()["options"]), dn("sip", func(d *configpb.DN) { d.Groups = []string{"g"} }),
		dn("point", func(d *configpb.DN) { d.RoutingPoint = &configpb.RoutingPoint{DefaultGroup: "h"} }),
		put(objects()["trunk"]), put(objects()["node"])))
	return m
}

var long = strings.Repeat("x", 65)

// rejections has every kind of mutation with every precondition that can fail.
func rejections() []rejection {
	groups := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprint("g", i))
		}
		return all
	}
	return slices.Concat(rejectedPolicies(), rejectedTakes(), rejectedDNs(groups), rejectedGroups(), rejectedNodes(), rejectedOptions())
}

type rejection struct {
	name string
	m    *configpb.Mutation
	kind error
	text string
}

func rejectedDNs(groups func(int) []string) []rejection {
	type d = configpb.DN
	outbound := func(a *configpb.TrunkAuth) *configpb.Mutation {
		return dn("trunk", func(d *d) { d.Trunk.OutboundAuth, d.Trunk.OutboundRealm = a, "r" })
	}
	return []rejection{
		{"nothing in it", &configpb.Mutation{}, fsm.ErrInvalid, "empty"},
		{"keep_ha1 of a group", keep(put(&configpb.AgentGroup{Name: "k"})), fsm.ErrInvalid, "keep_ha1"},
		{"keep_ha1 of a delete", keep(deleteDN("1001")), fsm.ErrInvalid, "keep_ha1"},
		{"no number", dn("sip", func(d *d) { d.Number = "" }), fsm.ErrInvalid, "1 to 64"},
		{"a long number", dn("sip", func(d *d) { d.Number = long }), fsm.ErrInvalid, "1 to 64"},
		{"a blank in a number", dn("sip", func(d *d) { d.Number = "1 1" }), fsm.ErrInvalid, "1 to 64"},
		{"no kind", dn("sip", func(d *d) { d.Kind = 0 }), fsm.ErrInvalid, "kind"},
		{"an unknown kind", dn("trunk", func(d *d) { d.Kind = 5 }), fsm.ErrInvalid, "kind"},
		{"no password", dn("sip", func(d *d) { d.Number, d.Ha1 = "5", "" }), fsm.ErrInvalid, "password"},
		{"no password to keep", keep(dn("sip", func(d *d) { d.Number, d.Ha1 = "5", "" })), fsm.ErrInvalid, "no stored password"},
		{"the password of another kind to keep", keep(dn("sip", func(d *d) { d.Number, d.Ha1 = "3000", "" })), fsm.ErrInvalid, "no stored password"},
		{"31 digits", dn("sip", func(d *d) { d.Ha1 = d.Ha1[1:] }), fsm.ErrInvalid, "32"},
		{"33 digits", dn("sip", func(d *d) { d.Ha1 += "0" }), fsm.ErrInvalid, "32"},
		{"a digit that is none", dn("sip", func(d *d) { d.Ha1 = "g" + d.Ha1[1:] }), fsm.ErrInvalid, "hex"},
		{"63 digits of SHA-256", dn("sha", func(d *d) { d.Ha1 = d.Ha1[1:] }), fsm.ErrInvalid, "64"},
		{"MD5 of 64 digits", dn("sha", func(d *d) { d.Algorithm = 1 }), fsm.ErrInvalid, "32"},
		{"an unknown algorithm", dn("sip", func(d *d) { d.Algorithm = 3 }), fsm.ErrInvalid, "algorithm 3"},
		{"33 groups", dn("sip", func(d *d) { d.Groups = groups(33) }), fsm.ErrInvalid, "33 groups, at most 32"},
		{"a group with a bad name", dn("sip", func(d *d) { d.Groups = []string{"g", "a b"} }), fsm.ErrInvalid, `"a b"`},
		{"a group twice", dn("sip", func(d *d) { d.Groups = []string{"g", "h", "g"} }), fsm.ErrInvalid, "twice"},
		{"a group that is not there", dn("sip", func(d *d) { d.Groups = []string{"g", "nope"} }), fsm.ErrInvalid, `group "nope"`},
		{"a default group that is not there", dn("point", func(d *d) { d.RoutingPoint = &configpb.RoutingPoint{DefaultGroup: "nope"} }), fsm.ErrInvalid, `group "nope"`},
		{"a bad default group", dn("point", func(d *d) { d.RoutingPoint = &configpb.RoutingPoint{DefaultGroup: long} }), fsm.ErrInvalid, "default_group"},
		{"a long time-out", dn("point", func(d *d) { d.RoutingPoint = &configpb.RoutingPoint{TimeoutMs: 600_001} }), fsm.ErrInvalid, "timeout_ms is 600001: at most 600000"},
		{"a password of a routing point", dn("point", func(d *d) { d.Ha1 = hex32 }), fsm.ErrInvalid, "password"},
		{"an algorithm of a trunk", dn("trunk", func(d *d) { d.Algorithm = 1 }), fsm.ErrInvalid, "password"},
		{"an external number of a phone", dn("sip", func(d *d) { d.External = "+1555" }), fsm.ErrInvalid, "external"},
		{"a routing point in a phone", dn("sip", func(d *d) { d.RoutingPoint = &configpb.RoutingPoint{} }), fsm.ErrInvalid, "routing_point"},
		{"a trunk in a routing point", dn("point", func(d *d) { d.Trunk = &configpb.Trunk{Address: "a:1"} }), fsm.ErrInvalid, "trunk"},
		{"groups of a trunk", dn("trunk", func(d *d) { d.Groups = []string{"g"} }), fsm.ErrInvalid, "groups"},
		{"groups of a routing point", dn("point", func(d *d) { d.Groups = []string{"g"} }), fsm.ErrInvalid, "groups"},
		{"external of one digit", dn("pstn", func(d *d) { d.External = "+1" }), fsm.ErrInvalid, "E.164"},
		{"external of 16 digits", dn("pstn", func(d *d) { d.External = "1234567890123456" }), fsm.ErrInvalid, "E.164"},
		{"external with two plus", dn("pstn", func(d *d) { d.External = "++15551" }), fsm.ErrInvalid, "E.164"},
		{"no trunk address", dn("trunk", func(d *d) { d.Trunk.Address = "" }), fsm.ErrInvalid, "host:port"},
		{"a trunk without trunk", dn("trunk", func(d *d) { d.Trunk = nil }), fsm.ErrInvalid, "host:port"},
		{"a prefix of 33", dn("trunk", func(d *d) { d.Trunk.Prefix = strings.Repeat("1", 33) }), fsm.ErrInvalid, "prefix"},
		{"a prefix with a letter", dn("trunk", func(d *d) { d.Trunk.Prefix = "1a" }), fsm.ErrInvalid, "prefix"},
		{"65 sources", dn("trunk", func(d *d) { d.Trunk.Sources = slices.Repeat([]string{"192.0.2.1"}, 65) }), fsm.ErrInvalid, "65 sources, at most 64"},
		{"a source that is a name", dn("trunk", func(d *d) { d.Trunk.Sources = []string{"192.0.2.1", "gw.example"} }), fsm.ErrInvalid, `sources: "gw.example"`},
		{"a source with a port", dn("trunk", func(d *d) { d.Trunk.Sources = []string{"192.0.2.1:5060"} }), fsm.ErrInvalid, "sources"},
		{"everybody as source", dn("trunk", func(d *d) { d.Trunk.Sources = []string{"0.0.0.0/0"} }), fsm.ErrInvalid, "at least 8 bits"},
		{"everybody of IPv6", dn("trunk", func(d *d) { d.Trunk.Sources = []string{"2000::/8"} }), fsm.ErrInvalid, "at least 8 bits (IPv6: 16)"},
		{"a zone as source", dn("trunk", func(d *d) { d.Trunk.Sources = []string{"fe80::1%eth0"} }), fsm.ErrInvalid, "sources"},
		{"a TLS name that is none", dn("trunk", func(d *d) { d.Trunk.TlsName = "a b" }), fsm.ErrInvalid, "tls_name"},
		{"a trunk user that is none", dn("trunk", func(d *d) { d.Trunk.InboundAuth = &configpb.TrunkAuth{User: `a"b`, Ha1: hex32} }), fsm.ErrInvalid, "trunk user"},
		{"a trunk user without password", dn("trunk", func(d *d) { d.Number, d.Trunk.InboundAuth = "4444", &configpb.TrunkAuth{User: "a"} }), fsm.ErrInvalid, "a password is missing"},
		{"a trunk user without password to keep", keep(dn("trunk", func(d *d) { d.Number, d.Trunk.InboundAuth = "4444", &configpb.TrunkAuth{User: "a"} })), fsm.ErrInvalid, "no stored password"},
		{"a trunk's digest too short", dn("trunk", func(d *d) { d.Trunk.InboundAuth = &configpb.TrunkAuth{User: "a", Ha1: "0", Algorithm: 2} }), fsm.ErrInvalid, "64"},
		{"two digests of who is asked here", dn("trunk", func(d *d) { d.Trunk.InboundAuth = &configpb.TrunkAuth{User: "a", Ha1: hex32, Sha256Ha1: hex64} }), fsm.ErrInvalid, "of outbound_auth alone"},
		{"a digest beside none", keep(outbound(&configpb.TrunkAuth{User: "a", Sha256Ha1: hex64})), fsm.ErrInvalid, "beside an ha1 of MD5"},
		{"a digest beside its like", outbound(&configpb.TrunkAuth{User: "a", Algorithm: 2, Ha1: hex64, Sha256Ha1: hex64}), fsm.ErrInvalid, "beside an ha1 of MD5"},
		{"a second digest too short", outbound(&configpb.TrunkAuth{User: "a", Ha1: hex32, Sha256Ha1: hex32}), fsm.ErrInvalid, "64"},
		{"outbound_auth without realm", dn("trunk", func(d *d) { d.Trunk.OutboundAuth = &configpb.TrunkAuth{User: "a", Ha1: hex32} }), fsm.ErrInvalid, "outbound_realm"},
		{"a realm without outbound_auth", dn("trunk", func(d *d) { d.Trunk.OutboundRealm = "r" }), fsm.ErrInvalid, "outbound_auth"},
		{"a realm with a quote", dn("trunk", func(d *d) {
			d.Trunk.OutboundAuth, d.Trunk.OutboundRealm = &configpb.TrunkAuth{User: "a", Ha1: hex32}, `r"`
		}), fsm.ErrInvalid, "printable"},
		{"outbound of a routing point", dn("point", func(d *d) { d.Outbound = &configpb.Outbound{Class: 1} }), fsm.ErrInvalid, "outbound"},
		{"outbound without class", dn("sip", func(d *d) { d.Outbound = &configpb.Outbound{} }), fsm.ErrInvalid, "outbound class 0"},
		{"an unknown outbound class", dn("sip", func(d *d) { d.Outbound = &configpb.Outbound{Class: 4} }), fsm.ErrInvalid, "outbound class 4"},
		{"prefixes of another class", dn("sip", func(d *d) { d.Outbound = &configpb.Outbound{Class: 2, Prefixes: []string{"0"}} }), fsm.ErrInvalid, "only then"},
		{"no prefixes", dn("sip", func(d *d) { d.Outbound = &configpb.Outbound{Class: 3} }), fsm.ErrInvalid, "only then"},
		{"33 prefixes", dn("sip", func(d *d) { d.Outbound = &configpb.Outbound{Class: 3, Prefixes: slices.Repeat([]string{"0"}, 33)} }), fsm.ErrInvalid, "33 outbound prefixes"},
		{"an empty prefix", dn("sip", func(d *d) { d.Outbound = &configpb.Outbound{Class: 3, Prefixes: []string{""}} }), fsm.ErrInvalid, "prefixes"},
		{"a phone that is there, if absent", at(0, dn("sip", func(*d) {})), fsm.ErrRevision, "revision 2, 0"},
		{"a phone of another revision", at(1, dn("sip", func(*d) {})), fsm.ErrRevision, "revision 2, 1"},
		{"a phone that is not there, of a revision", at(2, dn("sha", func(*d) {})), fsm.ErrRevision, "does not exist"},
		{"delete of another revision", at(3, deleteDN("1001")), fsm.ErrRevision, "revision 2, 3"},
		{"delete of no DN", deleteDN("404"), fsm.ErrNotFound, "404"},
		{"delete of no DN, of a revision", at(3, deleteDN("404")), fsm.ErrRevision, "does not exist"},
		{"delete of no DN, if absent", at(0, deleteDN("404")), fsm.ErrNotFound, "404"},
	}
}

func rejectedGroups() []rejection {
	return []rejection{
		{"a group without name", put(&configpb.AgentGroup{}), fsm.ErrInvalid, "group"},
		{"a group with a long name", put(&configpb.AgentGroup{Name: long}), fsm.ErrInvalid, "1 to 64"},
		{"a group that is there, if absent", at(0, put(&configpb.AgentGroup{Name: "g"})), fsm.ErrRevision, "revision 1, 0"},
		{"a group that is not there, of a revision", at(1, put(&configpb.AgentGroup{Name: "i"})), fsm.ErrRevision, "does not exist"},
		{"delete of another revision of a group", at(2, deleteGroup("g")), fsm.ErrRevision, "revision 1, 2"},
		{"delete of no group", deleteGroup("nope"), fsm.ErrNotFound, "nope"},
		{"delete of a group in use", deleteGroup("g"), fsm.ErrConflict, "1001"},
		{"delete of a default group", deleteGroup("h"), fsm.ErrConflict, "3000"},
	}
}

// rejectedPolicies are what no policy may say, wherever it stands.
func rejectedPolicies() (all []rejection) {
	type p = configpb.Policy
	for what, c := range map[string]struct {
		p    *p
		text string
	}{
		"a ring of nothing":      {&p{RingTimeoutMs: proto.Uint32(0)}, "ring_timeout_ms is 0: want 1 to 600000"},
		"a long ring":            {&p{RingTimeoutMs: proto.Uint32(600_001)}, "ring_timeout_ms is 600001: want 1 to 600000"},
		"an unknown action":      {&p{NoAnswerAction: 4}, "no_answer_action 4 is unknown"},
		"an action below":        {&p{NoAnswerAction: -1}, "no_answer_action -1 is unknown"},
		"a long cool-down":       {&p{CoolDownS: proto.Uint32(3601)}, "cool_down_s is 3601: at most 3600"},
		"a long wrap-up":         {&p{WrapUpS: proto.Uint32(7201)}, "wrap_up_s is 7201: at most 7200"},
		"an unknown desktop":     {&p{DesktopLost: 4}, "desktop_lost 4 is unknown"},
		"wrap-up of a point":     {&p{WrapUpS: proto.Uint32(0)}, "a routing point has no wrap_up_s"},
		"the desktop of a point": {&p{DesktopLost: 1}, "a routing point has no wrap_up_s and no desktop_lost"},
	} {
		if strings.HasSuffix(what, "of a point") {
			all = append(all, rejection{what, dn("point", func(d *configpb.DN) { d.RoutingPoint = &configpb.RoutingPoint{Policy: c.p} }), fsm.ErrInvalid, c.text})
			continue
		}
		all = append(all, rejection{what + " of options", options(func(o *configpb.Options) { o.Policy = c.p }), fsm.ErrInvalid, c.text},
			rejection{what + " of a group", put(&configpb.AgentGroup{Name: "g", Policy: c.p}), fsm.ErrInvalid, c.text})
	}
	return all
}

// rejectedTakes are DNs that say of their calls what can't be.
func rejectedTakes() []rejection {
	type d = configpb.DN
	in := func(skills map[string]uint32) *configpb.Mutation {
		return dn("sip", func(d *d) { d.Groups, d.Skills = []string{"g"}, skills })
	}
	return []rejection{
		{"a feature of a phone", dn("sip", func(d *d) { d.Feature = &configpb.Feature{Action: 1} }), fsm.ErrInvalid, "only kind feature has feature"},
		{"a feature that does nothing", dn("feature", func(d *d) { d.Feature.Action = 0 }), fsm.ErrInvalid, "its feature is missing"},
		{"a feature that is unknown", dn("feature", func(d *d) { d.Feature.Action = 7 }), fsm.ErrInvalid, "its feature is missing"},
		{"no feature", dn("feature", func(d *d) { d.Feature = nil }), fsm.ErrInvalid, "its kind is missing"},
		{"a password of a feature", dn("feature", func(d *d) { d.Ha1 = hex32 }), fsm.ErrInvalid, "only kind sip has a password"},
		{"the capacity of a point", dn("point", func(d *d) { d.Capacity = 1 }), fsm.ErrInvalid, "only kinds sip and pstn have a capacity"},
		{"two registrations of a pstn DN", dn("pstn", func(d *d) { d.DualRegistration = true }), fsm.ErrInvalid, "only kind sip has dual_registration"},
		{"a great capacity", dn("sip", func(d *d) { d.Capacity = 101 }), fsm.ErrInvalid, "capacity is 101: at most 100"},
		{"a skill of no group", in(map[string]uint32{"g": 1, "h": 1}), fsm.ErrInvalid, `skills names group "h", of which it is not`},
		{"a skill of 0", in(map[string]uint32{"g": 0}), fsm.ErrInvalid, "level in group g is 0: want 1 to 100"},
		{"a skill of 101", in(map[string]uint32{"g": 101}), fsm.ErrInvalid, "level in group g is 101: want 1 to 100"},
	}
}

func rejectedNodes() []rejection {
	type n = configpb.Node
	all := []rejection{
		{"no node id", node(func(n *n) { n.Id = "" }), fsm.ErrInvalid, "node id"},
		{"a long node id", node(func(n *n) { n.Id = long }), fsm.ErrInvalid, "node id"},
		{"no node name", node(func(n *n) { n.Name = "" }), fsm.ErrInvalid, "1 to 32"},
		{"a node name of 33", node(func(n *n) { n.Name = long[:33] }), fsm.ErrInvalid, "1 to 32"},
		{"a node name in capitals", node(func(n *n) { n.Name = "Z" }), fsm.ErrInvalid, "1 to 32"},
		{"a bad site", node(func(n *n) { n.Site = "d c" }), fsm.ErrInvalid, "site"},
		{"no cluster address", node(func(n *n) { n.ClusterAddr = "" }), fsm.ErrInvalid, "cluster_addr"},
		{"an address that another node has", node(func(n *n) { n.ClusterAddr = "10.0.0.1:7002" }), fsm.ErrConflict, "10.0.0.1:7002 is the cluster address of node a: remove that one first"},
		{"a name that another node has", node(func(n *n) { n.Name = "a" }), fsm.ErrNameTaken, "called a"},
		{"another revision of a node", at(1, node(func(*n) {})), fsm.ErrRevision, "revision 2, 1"},
		{"delete of another revision of a node", at(1, deleteNode("id-z")), fsm.ErrRevision, "revision 2, 1"},
		{"delete of no node", deleteNode("id-q"), fsm.ErrNotFound, "id-q"},
	}
	for name, field := range map[string]func(*n) *string{
		"sip": func(n *n) *string { return &n.SipAddr }, "default": func(n *n) *string { return &n.DefaultAddr },
		"tc": func(n *n) *string { return &n.TcAddr }, "cluster": func(n *n) *string { return &n.ClusterAddr },
		"gossip": func(n *n) *string { return &n.GossipAddr }, "http": func(n *n) *string { return &n.HttpAddr },
	} {
		for _, bad := range []string{"host", ":1", "h:0", "h:65536", "h:x", "a b:1", "a/b:1", "<a>:1", strings.Repeat("h", 260) + ":1"} {
			all = append(all, rejection{name + "_addr " + bad, node(func(n *n) { *field(n) = bad }), fsm.ErrInvalid, name + "_addr"})
		}
	}
	return all
}

func rejectedOptions() []rejection {
	type o = configpb.Options
	return []rejection{
		{"another realm", options(func(o *o) { o.Realm = "other.com" }), fsm.ErrConflict, "example.com"},
		{"a bad realm", options(func(o *o) { o.Realm = "a b" }), fsm.ErrInvalid, "domain"},
		{"a realm of 256", options(func(o *o) { o.Realm = strings.Repeat("r", 256) }), fsm.ErrInvalid, "domain"},
		{"min over max", options(func(o *o) { o.MinExpiresS, o.MaxExpiresS = 51, 50 }), fsm.ErrInvalid, "min_expires_s (51)"},
		{"default below min", options(func(o *o) { o.MinExpiresS, o.DefaultExpiresS = 100, 99 }), fsm.ErrInvalid, "default_expires_s (99)"},
		{"default over max", options(func(o *o) { o.DefaultExpiresS = 7201 }), fsm.ErrInvalid, "default_expires_s (7201)"},
		{"max_expires_s", options(func(o *o) { o.MaxExpiresS = 2_678_401 }), fsm.ErrInvalid, "max_expires_s is 2678401: at most 2678400"},
		{"max_contacts", options(func(o *o) { o.MaxContacts = 101 }), fsm.ErrInvalid, "max_contacts is 101: at most 100"},
		{"ping_interval_s", options(func(o *o) { o.PingIntervalS = proto.Uint32(86_401) }), fsm.ErrInvalid, "ping_interval_s is 86401: at most 86400"},
		{"flow_grace_s", options(func(o *o) { o.FlowGraceS = proto.Uint32(301) }), fsm.ErrInvalid, "flow_grace_s is 301: at most 300"},
		{"raft_log_bytes", options(func(o *o) { o.RaftLogBytes = 1 }), fsm.ErrInvalid, "raft_log_bytes is 1: want 1048576 to 1073741824"},
		{"orphan_ring_ms", options(func(o *o) { o.OrphanRingMs = 30_001 }), fsm.ErrInvalid, "orphan_ring_ms is 30001: at most 30000"},
		{"max_voters", options(func(o *o) { o.MaxVoters = 10 }), fsm.ErrInvalid, "max_voters is 10: at most 9"},
		{"dead_voter_s", options(func(o *o) { o.DeadVoterS = proto.Uint32(2592001) }), fsm.ErrInvalid, "dead_voter_s is 2592001: at most 2592000"},
		{"first_word_ms", options(func(o *o) { o.FirstWordMs = proto.Uint32(32_001) }), fsm.ErrInvalid, "first_word_ms is 32001: at most 32000"},
		{"ping_misses", options(func(o *o) { o.PingMisses = 101 }), fsm.ErrInvalid, "ping_misses is 101: at most 100"},
		{"desktop_grace_s", options(func(o *o) { o.DesktopGraceS = 301 }), fsm.ErrInvalid, "desktop_grace_s is 301: at most 300"},
		{"reservation_collect_ms", options(func(o *o) { o.ReservationCollectMs = 2001 }), fsm.ErrInvalid, "reservation_collect_ms is 2001: at most 2000"},
		{"agent_login", options(func(o *o) { o.AgentLogin = 3 }), fsm.ErrInvalid, "agent_login 3 is unknown"},
		{"options of another revision", at(1, options(func(*o) {})), fsm.ErrRevision, "revision 2, 1"},
		{"options that are there, if absent", at(0, options(func(*o) {})), fsm.ErrRevision, "revision 2, 0"},
	}
}

// Whatever is rejected leaves the state as an entry without mutations does, in
// memory and in the store, although valid mutations stand in front of it; and
// nobody who watches is told.
func TestRejected_CommandsChangeNothing(t *testing.T) {
	m, twin := furnished(t), furnished(t)
	w := m.Watch()
	defer w.Close()
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	fine := mutations{put(&configpb.AgentGroup{Name: "new"}), put(objects()["pstn"]), options(func(o *configpb.Options) { o.MaxContacts = 3 })}
	for _, c := range rejections() {
		before := fine
		if c.m.GetPutOptions() != nil {
			before = fine[:2]
		}
		_, tried := m.View().With(append(slices.Clone(before), c.m))
		got := result(t, m, command(append(slices.Clone(before), c.m)...)).Err
		apply(t, twin, command())
		var r *fsm.Rejection
		if !errors.As(got, &r) || !errors.Is(got, c.kind) || r.Mutation != len(before)+1 || !strings.Contains(got.Error(), c.text) {
			t.Errorf("%s: got %v; want %v, mutation %d, with %q", c.name, got, c.kind, len(before)+1, c.text)
		}
		if fmt.Sprint(tried) != fmt.Sprint(got) {
			t.Errorf("%s: tried out it is rejected otherwise: %v", c.name, tried)
		}
		if m.Digest() != twin.Digest() {
			t.Fatalf("%s: it changed something", c.name)
		}
	}
	if c := told(t, m, w); len(c.DNs) != 1 || c.All || c.Nodes || c.Options || c.Groups {
		t.Errorf("a watcher was told %+v", c)
	}
	apply(t, twin, command(put(objects()["sha"])))
	if got := reopened(t, m).Digest(); got != twin.Digest() {
		t.Error("the store has something of what was rejected")
	}
}

// told is what w hears after one more change, that of a phone.
func told(t *testing.T, m machine, w *fsm.Watcher) fsm.Changes {
	t.Helper()
	apply(t, m, command(put(objects()["sha"])))
	c, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRejected_AsAWhole(t *testing.T) {
	m, twin := furnished(t), furnished(t)
	one := command(put(objects()["pstn"]))
	newer, older, longID := command(put(objects()["pstn"])), command(put(objects()["pstn"])), command(put(objects()["pstn"]))
	newer.Version, older.Version, longID.RequestId = fsm.Version+1, 0, strings.Repeat("i", fsm.MaxRequestID+1)
	many := command(slices.Repeat(one.GetMutations(), fsm.MaxMutations+1)...)
	for name, c := range map[string]struct {
		c    *peerpb.Command
		kind error
		text string
	}{
		"newer": {newer, fsm.ErrVersion, "upgrade"}, "no version": {older, fsm.ErrVersion, "version 0"},
		"request id": {longID, fsm.ErrInvalid, "128"}, "many": {many, fsm.ErrInvalid, "10001"},
	} {
		err := result(t, m, c.c).Err
		apply(t, twin, command())
		var r *fsm.Rejection
		if !errors.As(err, &r) || !errors.Is(err, c.kind) || r.Mutation != 0 || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if m.Digest() != twin.Digest() {
			t.Errorf("%s: it changed something", name)
		}
	}
	apply(t, m, command(slices.Repeat(one.GetMutations(), fsm.MaxMutations)...))
	longID.RequestId = longID.GetRequestId()[1:]
	apply(t, m, longID)
	if m.Apply(entry(t, 999, &peerpb.Command{})).(fsm.Result).Err == nil {
		t.Error("an entry without version was applied")
	}
}

func TestRejected_BeforeTheFirstEpochAndTheLastNode(t *testing.T) {
	m := start(t)
	if err := result(t, m, command(put(objects()["pstn"]))).Err; !errors.Is(err, fsm.ErrConflict) || !strings.Contains(err.Error(), "bootstrapped") {
		t.Error(err)
	}
	apply(t, m, begin())
	if err := result(t, m, command(deleteNode("id-a"))).Err; !errors.Is(err, fsm.ErrConflict) || m.View().Node("id-a") == nil {
		t.Error(err)
	}
	apply(t, m, command(put(objects()["node"]), deleteNode("id-a")))
	if v := m.View(); v.Node("id-a") != nil || v.NodeByName("z") == nil || len(v.Nodes()) != 1 {
		t.Error(v.Nodes())
	}
}

// At every limit a command is applied.
func TestLimits_AreReached(t *testing.T) {
	m := furnished(t)
	name := long[1:]
	var groups []string
	fill := command()
	for i := range 32 {
		groups = append(groups, fmt.Sprintf("%02d%s", i, name[2:]))
		fill.Mutations = append(fill.Mutations, put(&configpb.AgentGroup{Name: groups[i]}))
	}
	apply(t, m, fill)
	addr := strings.Repeat("h", 255) + ":65535"
	host := strings.Repeat(strings.Repeat("h", 62)+".", 4) + "com:65535" // RFC 1035 §2.3.4
	for what, mutation := range map[string]*configpb.Mutation{
		"DN":       dn("sip", func(d *configpb.DN) { d.Number, d.Groups = name, groups }),
		"external": dn("pstn", func(d *configpb.DN) { d.External = "+123456789012345" }),
		"short":    dn("pstn", func(d *configpb.DN) { d.Number, d.External = "2", "12" }),
		"routing point": dn("point", func(d *configpb.DN) {
			d.RoutingPoint = &configpb.RoutingPoint{DefaultGroup: groups[0], TimeoutMs: 600_000}
		}),
		"trunk": dn("trunk", func(d *configpb.DN) { d.Trunk = &configpb.Trunk{Address: host, Prefix: strings.Repeat("+", 32)} }),
		"node": put(&configpb.Node{Id: name, Name: name[:32], Site: name, SipAddr: addr, DefaultAddr: addr, TcAddr: addr, ClusterAddr: addr, GossipAddr: addr,
			HttpAddr: addr, FeatureLevel: level}),
		"options": put(&configpb.Options{MinExpiresS: 2_678_400, MaxExpiresS: 2_678_400, DefaultExpiresS: 2_678_400, MaxContacts: 100, PingIntervalS: proto.Uint32(86_400),
			PingMisses: 100, DesktopGraceS: 300, ReservationCollectMs: 2000}),
		"absent": at(0, put(&configpb.AgentGroup{Name: "brand-new"})),
	} {
		if err := result(t, m, command(mutation)).Err; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	apply(t, m, command(at(2, dn("sip", func(*configpb.DN) {}))))
	if want := m.Digest(); reopened(t, m).Digest() != want {
		t.Error("the store has something else")
	}
}
