package proxy

import (
	"bytes"
	"hash/maphash"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// fresh serves a request without a transaction: within a dialog it follows its
// Route; one of a peer is delivered here; others begin something new.
func (p *Proxy) fresh(sh *shard, m *message.Message, in *packet, key transaction.Key) {
	var a answer.Answer
	mark := loopMark(p.seed, m)
	f := looped(m, mark)
	if f == nil && hops(m) == 0 {
		f = errHops
	}
	if f != nil {
		a.Fault(f)
		p.refuse(sh, m, in, &a)
		return
	}
	r, f := p.routes.route(m.Get(message.CallID), m.URI, m.Elements(message.Route))
	trusted := r.last.Purpose != noToken || r.peer.Purpose != noToken
	tagged := m.Tag(message.To) != nil
	switch {
	case f != nil:
		a.Fault(f)
	case tagged && !trusted:
		a.Set(481, "Call/Transaction Does Not Exist")
	case tagged:
		p.relay(sh, m, in, key, mark, &r)
		return
	case r.last.Purpose == ToDeliver && len(r.rest) == 0:
		p.carry(p.newCall(sh, m, in, mark, callOrigin{kind: fromPeer}), key, invite.Target{Deliver: r.last.Number})
		return
	case trusted || len(r.rest) > 0:
		a.Fault(errForeign)
	default:
		p.fromOutside(sh, m, in, key, mark, &a)
	}
	if a.Code != 0 {
		p.refuse(sh, m, in, &a)
	}
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
	u, _ := message.ParseURI(m.URI)
	if !p.cfg.Guard.Mine(u.Host) {
		a.Set(404, "Not a domain of this cluster")
		return
	}
	if invite && !p.cfg.Rate.Room() {
		p.cfg.Stats.Overload.Add(1)
		a.Overloaded()
		return
	}
	o, ok := p.originOf(m, in, a)
	if !ok {
		return
	}
	if invite && !p.cfg.Rate.Take() {
		p.cfg.Stats.Overload.Add(1)
		a.Overloaded()
		return
	}
	c := p.newCall(sh, m, in, mark, o)
	if invite {
		p.arrive(c, key)
		return
	}
	if t, ok := p.outOfDialogTarget(c, a); ok {
		p.carry(c, key, t)
	}
}

// originOf finds out who asks: a gateway by its address, a phone by digest.
func (p *Proxy) originOf(m *message.Message, in *packet, a *answer.Answer) (callOrigin, bool) {
	from, _ := message.ParseAddress(m.Get(message.From))
	u, _ := message.ParseURI(from.URI)
	o := callOrigin{number: userOf(&u), hop: hop{out: p.out, transport: in.transport, addr: in.source}}
	v := p.cfg.Machine.View()
	caller := v.DN(o.number)
	phone := caller.GetKind() == configpb.DNKind_DN_KIND_SIP && p.cfg.Guard.Mine(u.Host)
	credentials := m.Has(message.ProxyAuthorization)
	if n, ok := p.Trunk(in.source, in.transport.Connected()); ok && !credentials && (!in.transport.Connected() || !phone) {
		o.kind, o.dn = fromTrunk, n
		o.hop.keep()
		return o, true
	}
	if !phone {
		a.Set(403, "Neither a phone of this cluster nor a trunk")
		return o, false
	}
	if caller.GetDisabled() {
		a.Set(403, "DN is disabled")
		return o, false
	}
	if !p.authenticate(m, v, caller, a) {
		return o, false
	}
	o.kind, o.dn = fromPhone, dn.Number(o.number)
	o.hop.keep()
	return o, true
}

// userOf is the user part without password and parameters, unescaped.
func userOf(u *message.URI) string {
	user, _, _ := bytes.Cut(u.User, []byte(":"))
	user, _, _ = bytes.Cut(user, []byte(";"))
	return string(message.AppendUnescaped(nil, user))
}

// authenticate checks that the caller is the DN that it says it is
// (RFC 3261 §22.3). When it is false the answer is filled in.
func (p *Proxy) authenticate(m *message.Message, v *fsm.View, caller *configpb.DN, a *answer.Answer) bool {
	var c digest.Credentials
	for value := range m.All(message.ProxyAuthorization) {
		if guard.CredentialsFor(v.Options().GetRealm(), value, &c) {
			return p.cfg.Guard.Check(guard.Claim{Role: guard.AsProxy, Dn: caller, Method: m.Method, Credentials: &c, Print: p.print(m, &c)}, v, a)
		}
	}
	return p.cfg.Guard.Check(guard.Claim{Role: guard.AsProxy, Dn: caller}, v, a)
}

// ownCredentials tells whether a header line holds the credentials for this cluster,
// which go no further (RFC 3261 §22.3).
func ownCredentials(h *message.Header, realm string) bool {
	var c digest.Credentials
	return h.Kind == message.ProxyAuthorization && guard.CredentialsFor(realm, h.Value, &c)
}

// print identifies a request among all that could carry the same credentials.
func (p *Proxy) print(m *message.Message, c *digest.Credentials) uint32 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	for _, b := range [...][]byte{m.Method, m.URI, c.Response, m.Get(message.CallID), m.Get(message.CSeq), m.Get(message.To)} {
		h.Write(b)
		h.WriteByte(0)
	}
	return uint32(h.Sum64())
}

// outOfDialogTarget finds where a request outside of calls goes: to the DN's owner.
func (p *Proxy) outOfDialogTarget(c *Call, a *answer.Answer) (t invite.Target, ok bool) {
	v := p.cfg.Machine.View()
	d := v.DN(c.called)
	switch {
	case d == nil:
		a.Set(404, "Not Found")
		return t, false
	case d.GetKind() != configpb.DNKind_DN_KIND_SIP:
		a.Set(405, "Method Not Allowed")
		a.Header("Allow", "INVITE, ACK, CANCEL, OPTIONS")
		return t, false
	case d.GetDisabled():
		a.Set(403, "DN is disabled")
		return t, false
	}
	owner, inService := OwnerOf(p.cfg.Table, v, dn.Number(c.called))
	switch {
	case !inService:
		a.Set(480, "DN is out of service")
		return t, false
	case owner == nil:
		return invite.Target{Deliver: dn.Number(c.called)}, true
	}
	return invite.Target{NodeAddr: owner.GetSipAddr(), DN: dn.Number(c.called)}, true
}
