package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/gruu"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// leg is one place to send a request to.
type leg struct {
	to     hop
	uri    []byte
	routes [][]byte
	side   *route.Token      // of the Record-Route towards the leg; nil for a node
	phone  *location.Binding // nil for others
	q      int               // 0 to 1000
	silent bool              // the other end answers at once or is not there
	domain identity.Domain
	// breadth is its part of the Max-Breadth; 0: it says none.
	breadth int
	trunk   *configpb.Trunk // nil for others
	// account with a gateway that asks for it.
	account account
	// way to a trunk; nil for others. short is the leg by datagrams that this one, by TCP,
	// stands in for.
	way   *carrier.Way
	short *leg
}

// targets tells where a Target is: the phones of a DN here, a node, a gateway.
type targets struct {
	machine *fsm.Machine
	table   *dn.Table
	store   *location.Store
	now     func() time.Time
	exits   *exits
	ring    *route.Ring
	trunks  *trunks
	// sealed: nobody can read what goes to other nodes.
	sealed bool
	// service is Config.ServiceRoute.
	service func(dn.Number, netip.AddrPort) [][]byte
}

// unreached is what becomes of a target that there is no way to.
func unreached(code int, reason string) Outcome {
	return Outcome{Outcome: invite.Outcome{Code: code, Reason: reason, Retry: code != 480}}
}

// legs finds where a target's requests go. The token is what those of its sides have in
// common, uri that by which somebody was called. A sips request goes where TLS does, all
// along, or nowhere (RFC 3261 §26.2.2).
func (ts *targets) legs(t *invite.Target, k route.Token, d *route.Dialog, uri []byte) ([]leg, Outcome) {
	sips := message.IsSecure(uri)
	switch {
	case t.Deliver != "":
		legs := ts.phones(t.Deliver, &k, uri)
		if len(legs) == 0 {
			return nil, unreached(480, "No phone is registered")
		}
		if sips {
			legs = slices.DeleteFunc(legs, func(l leg) bool { return !sealed(l.to.transport) })
		}
		if len(legs) == 0 {
			return nil, unreached(480, "No phone is registered by TLS")
		}
		return legs, Outcome{}
	case sips && t.Node != "" && !ts.sealed:
		return nil, unreached(480, "There is no way by TLS all along")
	case t.Node != "":
		node := ts.machine.View().Node(string(t.Node))
		if node == nil {
			return nil, unreached(503, "The DN's node is not in the cluster")
		}
		k.Purpose, k.Number, k.Call, k.Birth = route.Deliver, t.DN, t.Call, 0
		user := ts.ring.Encode(&k, d.CallID, d.From)
		return []leg{{
			to: *ts.exits.peer(t.Node, d.CallID), silent: true, domain: identity.Inside, uri: fmt.Appendf(nil, "%s:%s@%s%s", scheme(sips), escape(string(t.DN)), node.GetSipAddr(), gruu.Of(uri, t.DN)),
			routes: [][]byte{fmt.Appendf(nil, "<sip:%s@%s;lr>", user, node.GetSipAddr())},
		}}, Outcome{}
	}
	return ts.carriers(t, &k, sips)
}

// carriers are the legs to the addresses of a trunk, one after the other: of a sips request
// those by TLS.
func (ts *targets) carriers(t *invite.Target, k *route.Token, sips bool) (legs []leg, out Outcome) {
	ways := ts.trunks.ways(t.Trunk)
	if sips && len(ways) > 0 {
		if ways = slices.DeleteFunc(ways, func(w carrier.Way) bool { return !sealed(w.Transport) }); len(ways) == 0 {
			return nil, Outcome{Outcome: invite.Outcome{Code: 480, Reason: "There is no way by TLS all along", Retry: true}} // but by another trunk
		}
	}
	switch {
	case len(ways) > 0:
	case ts.trunks.book.OutOfReach(t.Trunk):
		return nil, unreached(503, "This node has no way to the trunk")
	default:
		return nil, ts.unanswered(t.Trunk)
	}
	v := ts.machine.View()
	trunk := v.DN(string(t.Trunk)).GetTrunk()
	domain, account := domainOf(v, t.Trunk), accountAt(trunk)
	for i := range ways {
		w, side := &ways[i], *k
		side.Purpose, side.Number, side.Transport, side.Addr, side.Side = route.Trunk, t.Trunk, w.Transport, w.Addr, w.Addr.Addr()
		legs = append(legs, leg{
			to: *ts.exits.carrier(*w), silent: true, domain: domain, uri: fmt.Appendf(nil, "%s:%s@%s%s", scheme(sips), escape(t.Number), w.Host, phoneParam(trunk)),
			routes: ts.serviceRoute(t.Trunk, w, sips), side: &side, trunk: trunk, account: account, way: w, q: len(ways) - i,
		})
	}
	return legs, Outcome{}
}

// unanswered is the outcome where no address of a trunk may be called now.
func (ts *targets) unanswered(n dn.Number) Outcome {
	left := ts.trunks.book.Left(n)
	if left == 0 {
		return unreached(503, "The trunk does not answer")
	}
	out := unreached(503, "The trunk wants to be left alone")
	out.RetryAfter = left
	return out
}

// serviceRoute is the Route that the trunk wants at a way: of a sips request none that is not
// by TLS all along.
func (ts *targets) serviceRoute(n dn.Number, w *carrier.Way, sips bool) [][]byte {
	list := ts.service(n, w.Addr)
	if sips && slices.ContainsFunc(list, func(r []byte) bool { a, _ := message.ParseAddress(r); return !message.IsSecure(a.URI) }) {
		return nil
	}
	return list
}

// sealed tells whether nobody can read what goes by a transport.
func sealed(t location.Transport) bool { return t == location.TLS || t == location.WSS }

func scheme(sips bool) string {
	if sips {
		return "sips"
	}
	return "sip"
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

// phones are the bindings of a DN here; that of one phone where the URI by which it was
// called names that: a GRUU, or the Contact itself.
func (ts *targets) phones(n dn.Number, k *route.Token, uri []byte) (legs []leg) {
	e := ts.store.Get(n)
	if e == nil {
		return nil
	}
	now, one := ts.now(), gruu.Of(uri, n)
	for i := range e.Bindings {
		b := &e.Bindings[i]
		l := leg{to: hop{out: ts.exits, transport: b.Transport, addr: Reach(b)}, uri: message.RequestURI([]byte(b.Contact)), phone: b, q: quality(b)}
		if !b.Expires.After(now) || !l.to.alive() || one != nil && !gruu.Names(one, b) {
			continue
		}
		for _, r := range b.Path {
			l.routes = append(l.routes, []byte(r))
		}
		side := *k
		side.Purpose, side.Number, side.Transport, side.Addr = route.Phone, n, b.Transport, Reach(b)
		l.side = &side
		if one == nil && len(e.Bindings) > 1 && message.EqualURI(uri, []byte(b.Contact)) {
			return []leg{l}
		}
		legs = append(legs, l)
	}
	return legs
}

// quality is a binding's q in thousandths; a phone that gives none is as good as any.
func quality(b *location.Binding) int {
	v, _ := message.Param([]byte(b.Params), "q")
	if len(v) == 0 {
		return 1000
	}
	q, err := strconv.ParseFloat(string(v), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 1000
	}
	return int(q * 1000)
}

// groups are the legs that ring together, the best first, and no phone twice.
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
		out = append(out, apart(legs[i:j])...)
		i = j
	}
	return out
}

// ofDN finds where a request outside of calls goes: to the DN's owner.
func (ts *targets) ofDN(called string, a *answer.Answer) (t invite.Target, ok bool) {
	v := ts.machine.View()
	d := v.DN(called)
	switch {
	case d == nil:
		a.Refuse(404, "Not Found")
		return t, false
	case d.GetKind() != configpb.DNKind_DN_KIND_SIP:
		a.Set(405, "Method Not Allowed")
		a.Header("Allow", "INVITE, ACK, CANCEL, OPTIONS")
		return t, false
	case d.GetDisabled():
		a.Refuse(403, "DN is disabled")
		return t, false
	}
	owner, inService := OwnerOf(ts.table, v, dn.Number(called))
	switch {
	case !inService:
		a.Set(480, "DN is out of service")
		return t, false
	case owner == nil:
		return invite.Target{Deliver: dn.Number(called)}, true
	}
	return invite.Target{Node: dn.Node(owner.GetId()), DN: dn.Number(called)}, true
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
