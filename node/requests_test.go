package node_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// boundCase is one bound of a field, with a value at it and one over it (or
// below the least), nil when that is not refused.
type boundCase struct {
	name     string
	bound    bounds.Bound
	row      protoreflect.FullName
	at, over any
}

// element is a list or a map of n elements; a length that is not 0 is that of
// each, of its key or value in a map.
type element struct{ n, key, value int }

// special are values of fields whose form is not free.
var special = map[protoreflect.FullName]func(n int) any{
	"sipcluster.config.v1.DN.number":                  digits,
	"sipcluster.config.v1.DN.external":                func(n int) any { return "+" + strings.Repeat("1", n-1) },
	"sipcluster.config.v1.Trunk.address":              address,
	"sipcluster.config.v1.Trunk.prefix":               digits,
	"sipcluster.config.v1.NumberRule.match":           func(n int) any { return strings.Repeat("1", n-1) + "$" },
	"sipcluster.config.v1.NumberRule.prepend":         digits,
	"sipcluster.config.v1.CallerID.number":            func(n int) any { return "+" + strings.Repeat("1", n-1) },
	"sipcluster.config.v1.Node.sip_addr":              address,
	"sipcluster.config.v1.Node.default_addr":          address,
	"sipcluster.config.v1.Node.tc_addr":               address,
	"sipcluster.config.v1.Node.cluster_addr":          address,
	"sipcluster.config.v1.Node.gossip_addr":           address,
	"sipcluster.config.v1.Node.http_addr":             address,
	"sipcluster.config.v1.ClearBansRequest.source":    func(n int) any { return "fe80::1%" + strings.Repeat("a", n-8) },
	"sipcluster.peer.v1.Command.new_epoch":            atMostNone(fsm.MaxName),
	"sipcluster.tc.v1.ListRoutableRequest.page_token": atMostNone(bounds.MaxPageToken),
	"sipcluster.tc.v1.ListDNsRequest.page_token":      atMostNone(bounds.MaxPageToken),
	"sipcluster.tc.v1.ListCallsRequest.page_token":    atMostNone(bounds.MaxPageToken),
	"sipcluster.tc.v1.ListEventsRequest.page_token":   atMostNone(bounds.MaxEventsPlaces),
	"sipcluster.tc.v1.WatchEventsRequest.cursor":      noneUpTo(bounds.MaxEventsPlaces),
	"sipcluster.tc.v1.WatchRequest.resume_cursor":     cursorOf,
	"sipcluster.tlib.v1.OpenSession.resume_cursor":    cursorOf,
	"sipcluster.tlib.v1.MonitorAll.resume_cursor":     cursorOf,
}

// items are elements of lists whose form is not free, of a length when that is not 0.
var items = map[protoreflect.FullName]func(i, n int) string{
	"sipcluster.config.v1.Trunk.sources": func(_, n int) string {
		if n == 0 {
			return "192.0.2.1"
		}
		return strings.Repeat("ffff:", 7) + "ffff/" + strings.Repeat("0", n-43) + "128"
	},
	"sipcluster.config.v1.DN.dids": func(i, n int) string {
		if n == 0 {
			return fmt.Sprint("+49", 100+i)
		}
		return "+" + strings.Repeat("1", n-1)
	},
	"sipcluster.config.v1.Trunk.more_addresses": func(_, n int) string { return hostName(max(n, 7)-6) + ":65535" },
	"sipcluster.config.v1.Outbound.prefixes":    func(_, n int) string { return strings.Repeat("1", max(n, 1)) },
}

// cursorOf is one of the greatest length that a cursor has, or more bytes.
func cursorOf(n int) any {
	if n > feed.MaxCursor {
		return make([]byte, n)
	}
	return feed.Cursor{Incarnation: feed.MaxIncarnation, DNs: math.MaxUint64, Calls: math.MaxUint64}.Bytes()
}

// noneUpTo is of bytes that only a refused request may have at all.
func noneUpTo(most int) func(int) any {
	return func(n int) any {
		if n <= most {
			return []byte(nil)
		}
		return make([]byte, n)
	}
}

func digits(n int) any  { return strings.Repeat("1", n) }
func address(n int) any { return hostName(n-6) + ":65535" }

// hostName is one of n bytes (RFC 1035 §2.3.4).
func hostName(n int) string {
	s := strings.Repeat(strings.Repeat("h", 62)+".", n/63+1)[:n]
	if strings.HasSuffix(s, ".") {
		s = s[:n-1] + "h"
	}
	return s
}

// atMostNone is of a field that only a refused request may have at all.
func atMostNone(most int) func(int) any { return atMostWord("", most) }

func atMostWord(word string, most int) func(int) any {
	return func(n int) any {
		if n <= most {
			return word
		}
		return strings.Repeat("a", n)
	}
}

// words by which fsm names fields in its own language.
var words = map[protoreflect.FullName]string{
	"sipcluster.config.v1.DN.number":            "want 1 to 64",
	"sipcluster.config.v1.DN.ha1":               "64 lower-case hex digits",
	"sipcluster.config.v1.AgentGroup.name":      "group",
	"sipcluster.config.v1.DN.groups[]":          "want 1 to 64",
	"sipcluster.config.v1.DN.skills":            "33 groups",
	"sipcluster.config.v1.DN.SkillsEntry.key":   "want 1 to 64",
	"sipcluster.config.v1.DN.SkillsEntry.value": "its level in group",
	"sipcluster.config.v1.TrunkAuth.ha1":        "64 lower-case hex digits",
	"sipcluster.config.v1.TrunkAuth.sha256_ha1": "sha256_ha1",
	"sipcluster.config.v1.NumberRules.called":   "33 number rules",
	"sipcluster.config.v1.NumberRules.caller":   "33 number rules",
}

// cases are those of a field.
func cases(t *testing.T, l leaf) []boundCase {
	t.Helper()
	var all []boundCase
	for _, row := range names(l.last()) {
		b, _ := bounds.Of(row)
		most := int(b.Max)
		c := boundCase{name: fmt.Sprintf("%s/%s", l, row.Name()), bound: b, row: row}
		value := special[row]
		if value == nil {
			value = func(n int) any { return strings.Repeat("a", n) }
		}
		if l.last().Kind() == protoreflect.BytesKind && special[row] == nil {
			value = func(n int) any { return make([]byte, n) }
		}
		switch {
		case b.Sort == bounds.Any, strings.Contains(l.String(), "routing_point.policy.wrap_up_s"), strings.Contains(l.String(), "inbound_auth.sha256_ha1"): // which it must not have
			continue
		case l.last().IsMap() && l.last().MapValue().Kind() == protoreflect.Uint32Kind && b.Sort == bounds.Number: // together with a key of two bytes
			c.at, c.over = element{n: 1, value: most}, element{n: 1, value: most + 1}
		case b.Sort == bounds.Items:
			c.at, c.over = element{n: most}, element{n: most + 1}
		case l.last().IsMap() && row == l.last().MapKey().FullName():
			c.at, c.over = element{n: 1, key: most}, element{n: 1, key: most + 1}
		case l.last().IsMap() && b.By != "": // together with its key of two bytes
			c.at, c.over = element{n: 1, value: most - 2}, element{n: 1, value: most - 1}
		case l.last().IsList() || l.last().IsMap():
			c.at, c.over = element{n: 1, value: most}, element{n: 1, value: most + 1}
		case b.Sort == bounds.Number:
			c.at, c.over = uint64(most), uint64(most+1)
		default:
			c.at, c.over = value(most), value(most+1)
		}
		if b.Capped {
			c.over = nil
		}
		all = append(all, c)
		if b.Min > 0 {
			c.name += "/least"
			c.at, c.over = b.Min, b.Min-1
			all = append(all, c)
		}
	}
	return all
}

// blank are messages with what a request needs besides the field in question.
func (r *running) blank(name protoreflect.FullName) proto.Message {
	switch name {
	case "sipcluster.config.v1.DN":
		return &configpb.DN{Number: "1", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("0", 64), Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256}
	case "sipcluster.config.v1.AgentGroup":
		return &configpb.AgentGroup{Name: "g"}
	case "sipcluster.config.v1.Node":
		return &configpb.Node{Id: "id-x", Name: "x", ClusterAddr: "127.0.0.1:1", NonVoter: true}
	case "sipcluster.config.v1.Authority":
		return &configpb.Authority{Certificate: []byte("c"), SealedKey: []byte("k")}
	case "sipcluster.config.v1.Trunk":
		return &configpb.Trunk{Address: "127.0.0.1:5060"}
	case "sipcluster.config.v1.TrunkAuth":
		return &configpb.TrunkAuth{User: "u", Ha1: strings.Repeat("0", 64), Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256}
	case "sipcluster.config.v1.TrunkRegistration":
		return &configpb.TrunkRegistration{User: "u"}
	case "sipcluster.config.v1.CallerID":
		return &configpb.CallerID{Number: "+49"}
	case "sipcluster.config.v1.Outbound":
		return &configpb.Outbound{Class: configpb.OutboundClass_OUTBOUND_CLASS_PREFIXES}
	case "sipcluster.peer.v1.Command":
		r.asks++
		return &peerpb.Command{Version: fsm.Version, RequestId: fmt.Sprint("r", r.asks)}
	case "sipcluster.peer.v1.ProposeRequest":
		return &peerpb.ProposeRequest{ClusterId: r.clusterID, Command: r.blank("sipcluster.peer.v1.Command").(*peerpb.Command)}
	case "sipcluster.peer.v1.ReturnRequest":
		return &peerpb.ReturnRequest{ClusterId: r.clusterID, Node: r.clusterID}
	case "sipcluster.peer.v1.ReadIndexRequest":
		return &peerpb.ReadIndexRequest{ClusterId: r.clusterID}
	case "sipcluster.config.v1.WriteRequest":
		return &configpb.WriteRequest{}
	case "sipcluster.config.v1.GetDNRequest":
		return &configpb.GetDNRequest{Number: "2001"}
	case "sipcluster.peer.v1.FollowHello":
		return &peerpb.FollowHello{ClusterId: r.clusterID, Publisher: r.id, Follower: "nobody"}
	case "sipcluster.peer.v1.SetAgentRequest":
		return &peerpb.SetAgentRequest{Dn: "2001", Request: peerpb.AgentRequest_AGENT_REQUEST_LOGIN, AgentId: "7"}
	case "sipcluster.peer.v1.ReserveRequest":
		return &peerpb.ReserveRequest{Dn: "2001", Holder: "h", DurationMs: 1000, AtOnce: true}
	case "sipcluster.peer.v1.KeyValue":
		return &peerpb.KeyValue{Key: "k"}
	case "sipcluster.tlib.v1.AgentLogin":
		return &tlibpb.AgentLogin{Dn: "2001", AgentId: "7"}
	case "sipcluster.tlib.v1.AgentLogout":
		return &tlibpb.AgentLogout{Dn: "2001"}
	case "sipcluster.tlib.v1.AgentReady":
		return &tlibpb.AgentReady{Dn: "2001"}
	case "sipcluster.tlib.v1.AgentNotReady":
		return &tlibpb.AgentNotReady{Dn: "2001"}
	case "sipcluster.tlib.v1.ReserveAgent":
		return &tlibpb.ReserveAgent{Dn: "2001", Duration: durationpb.New(time.Millisecond)}
	case "sipcluster.tlib.v1.OpenSession":
		return &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion}
	case "sipcluster.tlib.v1.RouteCall":
		return &tlibpb.RouteCall{ConnId: strings.Repeat("a", 16), Destination: &tlibpb.RouteCall_Dn{Dn: "2001"}}
	}
	m, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return m.New().Interface()
}

// request is a request of the method in which the field has the value and all
// the rest is in order.
func (r *running) request(m protoreflect.MethodDescriptor, l leaf, value any) proto.Message {
	req := r.blank(m.Input().FullName())
	r.set(req.ProtoReflect(), l, value)
	if w, ok := req.(*configpb.WriteRequest); ok && len(w.GetMutations()) == 0 {
		w.Mutations = []*configpb.Mutation{putGroup("g")}
	}
	return req
}

func (r *running) set(m protoreflect.Message, l leaf, value any) {
	fd := l[0]
	switch {
	case len(l) > 1 && fd.IsList():
		e := r.blank(fd.Message().FullName()).ProtoReflect()
		r.set(e, l[1:], value)
		m.Mutable(fd).List().Append(protoreflect.ValueOfMessage(e))
	case len(l) > 1:
		if !m.Has(fd) {
			m.Set(fd, protoreflect.ValueOfMessage(r.blank(fd.Message().FullName()).ProtoReflect()))
		}
		r.set(m.Mutable(fd).Message(), l[1:], value)
	case fd.IsList():
		r.fillList(m, fd, value.(element))
	case fd.IsMap():
		fillMap(m, fd, value.(element))
	default:
		m.Set(fd, protoreflect.ValueOf(value))
	}
	repair(m.Interface())
}

func (r *running) fillList(m protoreflect.Message, fd protoreflect.FieldDescriptor, e element) {
	list := m.Mutable(fd).List()
	for i := range e.n {
		switch {
		case fd.Message() != nil && fd.Message().Name() == "Mutation":
			list.Append(protoreflect.ValueOfMessage(putGroup("g").ProtoReflect()))
		case fd.Message() != nil:
			m := r.blank(fd.Message().FullName())
			if kv, ok := m.(*peerpb.KeyValue); ok {
				kv.Key = fmt.Sprint("k", i)
			}
			list.Append(protoreflect.ValueOfMessage(m.ProtoReflect()))
		case fd.Enum() != nil:
			list.Append(protoreflect.ValueOfEnum(1))
		case fd.Kind() == protoreflect.Uint64Kind:
			list.Append(protoreflect.ValueOfUint64(uint64(i)))
		case items[fd.FullName()] != nil:
			list.Append(protoreflect.ValueOfString(items[fd.FullName()](i, e.value)))
		case e.value > 0:
			list.Append(protoreflect.ValueOfString(strings.Repeat("a", e.value)))
		default:
			list.Append(protoreflect.ValueOfString(fmt.Sprint("g", i)))
		}
	}
}

func fillMap(m protoreflect.Message, fd protoreflect.FieldDescriptor, e element) {
	for i := range e.n {
		key, value := fmt.Sprint("k", i), protoreflect.ValueOfString("v")
		if e.key > 0 {
			key = strings.Repeat("k", e.key)
		}
		switch {
		case fd.MapValue().Kind() == protoreflect.Uint32Kind:
			value = protoreflect.ValueOfUint32(uint32(max(e.value, 1)))
		case e.value > 0:
			value = protoreflect.ValueOfString(strings.Repeat("v", e.value))
		}
		m.Mutable(fd).Map().Set(protoreflect.ValueOfString(key).MapKey(), value)
	}
}

func repairTrunk(t *configpb.Trunk) {
	switch {
	case t.GetOutboundAuth() != nil && t.GetOutboundRealm() == "":
		t.OutboundRealm = "r"
	case t.GetOutboundAuth() == nil && t.GetOutboundRealm() != "":
		t.OutboundAuth = &configpb.TrunkAuth{User: "u", Ha1: strings.Repeat("0", 32)}
	}
	if a := t.GetOutboundAuth(); a.GetSha256Ha1() != "" { // beside one of MD5
		a.Algorithm, a.Ha1 = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, strings.Repeat("0", 32)
	}
}

// repair makes the rest of an object fit the field that was set.
func repair(m proto.Message) {
	switch m := m.(type) {
	case *configpb.DN:
		if len(m.GetSkills()) > 0 {
			m.Groups = slices.Sorted(maps.Keys(m.GetSkills()))
		}
		switch {
		case m.GetTrunk() != nil:
			m.Kind, m.Ha1, m.Algorithm = configpb.DNKind_DN_KIND_TRUNK, "", 0
			repairTrunk(m.GetTrunk())
		case m.GetRoutingPoint() != nil:
			m.Kind, m.Ha1, m.Algorithm = configpb.DNKind_DN_KIND_ROUTING_POINT, "", 0
		case m.GetExternal() != "":
			m.Kind, m.Ha1, m.Algorithm = configpb.DNKind_DN_KIND_PSTN, "", 0
		}
	case *configpb.Options:
		if all := []*uint32{&m.MinExpiresS, &m.DefaultExpiresS, &m.MaxExpiresS}; max(*all[0], *all[1], *all[2]) >= fsm.MaxExpires {
			for _, v := range all {
				*v = max(*v, fsm.MaxExpires)
			}
		}
	}
}
