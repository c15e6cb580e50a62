package proxy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// leg is one place to send a request to.
type leg struct {
	to     hop
	uri    []byte
	routes [][]byte
	side   *Token // of the Record-Route towards the leg; nil for a node
	q      int    // 0 to 1000
	silent bool   // the other end answers at once or is not there
}

// unreached is what becomes of a target that there is no way to.
func unreached(code int, reason string) Outcome {
	return Outcome{Outcome: invite.Outcome{Code: code, Reason: reason, Retry: code != 480}}
}

// known tells whether the address of the target is; otherwise its name.
func (c *Call) known(t *invite.Target) (name string, ok bool) {
	switch {
	case t.Deliver != "":
		return "", true
	case t.NodeAddr != "":
		name = t.NodeAddr
	default:
		name = t.TrunkAddr
	}
	_, ok = c.p.resolver.get(name)
	return name, ok
}

// legs finds where a target's requests go.
func (c *Call) legs(t *invite.Target) ([]leg, Outcome) {
	switch {
	case t.Deliver != "":
		legs := c.phones(t.Deliver)
		if len(legs) == 0 {
			return nil, unreached(480, "No phone is registered")
		}
		return legs, Outcome{}
	case t.NodeAddr != "":
		addr, _ := c.p.resolver.get(t.NodeAddr)
		k := &Token{Purpose: ToDeliver, Node: c.p.self, Number: t.DN, Addr: addr}
		user := c.p.tokens.Encode(k, c.req.Get(message.CallID))
		return []leg{{
			to: hop{out: c.p.out, addr: addr}, silent: true, uri: fmt.Appendf(nil, "sip:%s@%s", escape(string(t.DN)), t.NodeAddr),
			routes: [][]byte{fmt.Appendf(nil, "<sip:%s@%s;lr>", user, t.NodeAddr)},
		}}, Outcome{}
	}
	addr, _ := c.p.resolver.get(t.TrunkAddr)
	return []leg{{
		to: hop{out: c.p.out, addr: addr}, silent: true, uri: fmt.Appendf(nil, "sip:%s@%s", escape(t.Number), t.TrunkAddr),
		side: &Token{Purpose: ToTrunk, Node: c.p.self, Addr: addr},
	}}, Outcome{}
}

// escape writes a user part: '#' is the one character of a DN that needs it.
func escape(user string) string {
	out := make([]byte, 0, len(user))
	for i := range len(user) {
		switch ch := user[i]; {
		case ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9', slices.Contains([]byte("-_.!~*'()&=+$,;?/"), ch):
			out = append(out, ch)
		default:
			out = fmt.Appendf(out, "%%%02X", ch)
		}
	}
	return string(out)
}

// phones are the bindings of a DN here.
func (c *Call) phones(n dn.Number) (legs []leg) {
	e := c.p.cfg.Store.Get(n)
	if e == nil {
		return nil
	}
	now := c.p.cfg.Now()
	for i := range e.Bindings {
		b := &e.Bindings[i]
		l := leg{to: hop{out: c.p.out, transport: b.Transport, addr: reach(b)}, uri: []byte(b.Contact), q: quality(b)}
		if !b.Expires.After(now) || !l.to.alive() {
			continue
		}
		for _, r := range b.Path {
			l.routes = append(l.routes, []byte(r))
		}
		l.side = &Token{Purpose: ToPhone, Node: c.p.self, Number: n, Transport: b.Transport, Addr: reach(b)}
		legs = append(legs, l)
	}
	return legs
}

// quality is a binding's q in thousandths; a phone that gives none is as good as any.
func quality(b *location.Binding) int {
	v, _ := message.Param([]byte(b.Params), "q")
	q, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 1000
	}
	return int(q * 1000)
}

// groups are the legs that ring together, the best first.
func groups(legs []leg) (out [][]leg) {
	if len(legs) == 1 {
		return [][]leg{legs}
	}
	slices.SortStableFunc(legs, func(a, b leg) int { return cmp.Compare(b.q, a.q) })
	for i := 0; i < len(legs); {
		j := i
		for j < len(legs) && legs[j].q == legs[i].q {
			j++
		}
		out = append(out, legs[i:j])
		i = j
	}
	return out
}

// recordRoute is our entry in the Record-Route for one side of the call.
func (p *Proxy) recordRoute(k *Token, callID []byte) []byte {
	out := append(make([]byte, 0, 160), "<sip:"...)
	out = append(out, p.tokens.Encode(k, callID)...)
	out = append(out, '@')
	out = append(out, p.cfg.RecordRoutes[k.Transport]...)
	switch k.Transport {
	case location.UDP:
	case location.WS, location.WSS:
		out = append(out, ";transport=ws"...)
	default:
		out = append(append(out, ";transport="...), strings.ToLower(k.Transport.String())...)
	}
	return append(out, ";lr>"...)
}

// sides are the Record-Route entries for a leg: the leg's own side on top, the
// caller's below. A peer's side is the peer's.
func (c *Call) sides(l *leg) (list [][]byte) {
	switch string(c.req.Method) {
	case "INVITE", "SUBSCRIBE", "REFER":
	default:
		return nil // nothing follows
	}
	callID := c.req.Get(message.CallID)
	if l.side != nil {
		list = append(list, c.p.recordRoute(l.side, callID))
	}
	o := &c.origin
	switch o.kind {
	case fromPhone:
		list = append(list, c.p.recordRoute(&Token{Purpose: ToPhone, Node: c.p.self, Number: o.dn, Transport: o.hop.transport, Addr: o.hop.addr}, callID))
	case fromTrunk:
		list = append(list, c.p.recordRoute(&Token{Purpose: ToTrunk, Node: c.p.self, Transport: o.hop.transport, Addr: o.hop.addr}, callID))
	case fromPeer:
	}
	return list
}

// OwnerOf is the node at which a DN is in service: nil when that is this one.
// Not ok, nobody can be sent there: the DN is out of service, or its owner is
// not in the roster.
func OwnerOf(table *dn.Table, v *fsm.View, n dn.Number) (node *configpb.Node, ok bool) {
	st, _ := table.Get(n)
	if st.State != dn.InSrv {
		return nil, false
	}
	if st.Owner == table.Self() {
		return nil, true
	}
	node = v.Node(string(st.Owner))
	return node, node != nil
}
