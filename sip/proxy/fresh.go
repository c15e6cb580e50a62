package proxy

import (
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/history"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/source"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// fresh serves a request without a transaction: within a dialog it follows its
// Route; one of a peer is delivered here; others begin something new.
func (p *Proxy) fresh(sh *shard, m *message.Message, in *packet, key transaction.Key) {
	var a answer.Answer
	gaps := p.callers.gaps()
	mark := loopMark(p.seed, m)
	f := looped(m, mark)
	if f == nil {
		f = ended(m, in)
	}
	if f != nil {
		a.Fault(f)
		sh.refuse(m, in, &a)
		return
	}
	d := route.DialogOf(m)
	s, f := p.routes.Read(d, m.URI, m.Elements(message.Route))
	switch k := &s.Last; {
	case f != nil:
		a.Refuse(f.Code, f.Reason) // the keys are of the configuration
	case d.To != nil && !s.Followed():
		if sh.early(m, in, key, &d) {
			return
		}
		a.Set(481, "Call/Transaction Does Not Exist")
	case d.To != nil:
		p.relays.relay(sh, m, in, key, mark, &d, &s, gaps)
		return
	case k.Purpose == route.Deliver && len(s.Rest) == 0 && in.peer != "" && k.Node == in.peer:
		if p.givesWay(m, in, &a) {
			break
		}
		c := p.calls.begin(sh, m, in, mark, callOrigin{kind: fromPeer, node: k.Node, domain: identity.Inside})
		p.exits.trace.Name(m.Get(message.CallID), k.Call)
		p.calls.carry(c, key, invite.Target{Deliver: k.Number, Call: k.Call, Of: k.Node})
		return
	case s.Followed() || len(s.Rest) > 0 || in.peer != "":
		a.Fault(errForeign)
	default:
		p.fromOutside(sh, m, in, key, mark, &a)
	}
	sh.deny(m, in, &a, gaps)
}

// deny answers a request that goes no further, if it is answered. What is not known yet is
// not denied: what is within a dialog and comes by datagram has no answer, and comes again;
// by a connection it has one that ends no call.
func (sh *shard) deny(m *message.Message, in *packet, a *answer.Answer, gaps answer.Gaps) {
	if a.Code == 0 {
		return
	}
	switch within := m.Tag(message.To) != nil; {
	case !gaps.Deny(a):
	case within && in.transport.Connected():
		*a = again("The configuration is being read")
	default:
		a.Later(within)
	}
	if a.Code != 0 {
		sh.refuse(m, in, a)
	}
}

// ended is why a request goes no further: it has been at too many places.
func ended(m *message.Message, in *packet) *message.Fault {
	breadth, _ := breadthOf(m)
	switch {
	case hops(m) == 0:
		return errHops
	case breadth == 0:
		return errBreadth
	case in.peer == "" && history.Times(m) > history.Most:
		return errForwarded
	}
	return nil
}

// fromOutside serves what starts outside the cluster. It leaves an answer when
// that is all.
func (p *Proxy) fromOutside(sh *shard, m *message.Message, in *packet, key transaction.Key, mark [13]byte, a *answer.Answer) {
	invite := string(m.Method) == "INVITE"
	switch string(m.Method) {
	case "INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY", "INFO":
	case "BYE", "PRACK", "UPDATE":
		a.Set(481, "Call/Transaction Does Not Exist")
		return
	default:
		a.Set(405, "Method Not Allowed")
		a.Header("Allow", Allowed)
		return
	}
	if f := p.callers.calls(m, in, invite); f != nil {
		a.Fault(f)
		a.Stranger = f == errOtherDomain && !p.callers.isPhones(m)
		return
	}
	if p.givesWay(m, in, a) {
		return
	}
	o, ok := p.callers.identify(m, in, a)
	if !ok {
		return
	}
	if message.IsSecure(m.URI) && !sealed(in.transport) {
		a.Set(480, "It is not by TLS all along")
		return
	}
	if identity.Unmet(m) {
		a.Set(500, "The privacy that is asked for can't be given")
		return
	}
	if invite && !p.rate.Take(source.Of(in.source.Addr())) {
		p.stats.Overload.Add(1)
		a.Overloaded()
		return
	}
	if _, merges := sh.arrived[mark]; invite && merges { // RFC 3261 §8.2.2.2
		a.Fault(errLoop)
		return
	}
	c := p.calls.begin(sh, m, in, mark, o)
	if invite {
		p.calls.arrive(c, key)
		return
	}
	if t, ok := p.calls.targets.outOfCalls(c, a); ok {
		p.calls.carry(c, key, t)
	}
}

// givesWay tells whether a call does not begin because more comes than is served. Who calls
// is asked later: so a refusal costs next to nothing.
func (p *Proxy) givesWay(m *message.Message, in *packet, a *answer.Answer) bool {
	if string(m.Method) != "INVITE" || !in.late && !p.refuses(in.peer != "") {
		return false
	}
	p.stats.Late.Add(1)
	a.Overloaded()
	return true
}
