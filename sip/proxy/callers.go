package proxy

import (
	"hash/maphash"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
)

// callers tells who sent a request from outside the cluster.
type callers struct {
	machine *fsm.Machine
	guard   *guard.Guard
	trunks  *trunks
	// draining: trunks are to try their next address.
	draining func() bool
	behind   func() bool  // of Config
	seed     maphash.Seed // of the prints of requests
}

// gaps are what may not be known yet of who asks.
func (cs *callers) gaps() answer.Gaps {
	return answer.Gaps{Behind: cs.behind != nil && cs.behind(), Sought: cs.trunks.seeks()}
}

// identify finds out who asks: a gateway by its certificate or address, or by digest, as
// phones. Who is asked for a password and has said of no phone that it is one may be a
// gateway's yet, that takes it as final.
func (cs *callers) identify(m *message.Message, in *packet, a *answer.Answer) (o callOrigin, ok bool) {
	number, u := callerOf(m.Get(message.From))
	v := cs.machine.View()
	phone := cs.saysPhone(v, number, &u)
	if k := cs.gateway(m, in, v, phone); k != nil {
		o = callOrigin{number: number, hop: in.hop()}
		return o, cs.admitTrunk(m, in, v, k, &o, a)
	}
	o, ok = cs.elsewhere(m, in, v, phone, a)
	a.Stranger = !ok && !phone && cs.claim(m, in, v, nil).None && !cs.isPhone(v, identity.Preferred(m))
	return o, ok
}

// elsewhere is identify for what comes from where no gateway is known to be.
func (cs *callers) elsewhere(m *message.Message, in *packet, v *fsm.View, phone bool, a *answer.Answer) (callOrigin, bool) {
	number, u := callerOf(m.Get(message.From))
	o := callOrigin{number: number, hop: in.hop()}
	if !phone && identity.Anonymous(m.Get(message.From)) { // who it is, the credentials say
		number = string(cs.withheld(m, in, v))
	} else if k := cs.trunks.anyUser(); k != nil && !phone && (string(m.Method) == "INVITE" || !cs.served(&u)) {
		// It may be a gateway, at an address that nobody knows. What trunks don't ask
		// for is challenged as if it came from a phone: so nobody learns which there are.
		return o, cs.admitTrunk(m, in, v, k, &o, a)
	} else if !cs.served(&u) {
		a.Refuse(403, "Neither a phone of this cluster nor a trunk")
		return o, false
	}
	d := cs.authenticate(m, in, v, []byte(number), a)
	if d == nil {
		return o, false
	}
	if d.GetDisabled() {
		a.Refuse(403, "DN is disabled")
		return o, false
	}
	o.kind, o.dn = fromPhone, dn.Number(number)
	o.hop.keep()
	return o, true
}

// gateway is the trunk that a request comes from, or says it comes from; nil for a
// phone's. What is not surely the gateway's may be a phone's as well.
func (cs *callers) gateway(m *message.Message, in *packet, v *fsm.View, phone bool) *trunk {
	c := cs.claim(m, in, v, nil)
	user := c.Credentials.Username
	k, surely := cs.trunks.from(in)
	switch {
	case c.None && k != nil && (surely || !phone), !c.None && k != nil && string(user) == k.asked().GetUser():
		return k
	case !c.None && k == nil:
		return cs.trunks.ofUser(user)
	case !c.None && k.asked() == nil && (surely || !phone) && v.DN(string(user)).GetKind() != configpb.DNKind_DN_KIND_SIP:
		return k // it remembers who asked it once, and would be let in without
	}
	return nil
}

// saysPhone tells whether a From, of that number and URI, is a phone's of this cluster.
func (cs *callers) saysPhone(v *fsm.View, number string, u *message.URI) bool {
	return cs.isPhone(v, []byte(number)) && cs.served(u)
}

// isPhones is saysPhone of a message.
func (cs *callers) isPhones(m *message.Message) bool {
	number, u := callerOf(m.Get(message.From))
	return cs.saysPhone(cs.machine.View(), number, &u)
}

func (cs *callers) isPhone(v *fsm.View, number []byte) bool {
	return v.DN(string(number)).GetKind() == configpb.DNKind_DN_KIND_SIP
}

// sentByTrunk tells whether a request comes from where a trunk is known to be, and is the
// trunk's. One that is known by its user alone is nowhere.
func (cs *callers) sentByTrunk(m *message.Message, in *packet) bool {
	v := cs.machine.View()
	number, u := callerOf(m.Get(message.From))
	k := cs.gateway(m, in, v, cs.saysPhone(v, number, &u))
	return k != nil && cs.isAt(k, in)
}

// isAt tells whether a packet comes from where a trunk is known to be.
func (cs *callers) isAt(k *trunk, in *packet) bool {
	at, _ := cs.trunks.from(in)
	return at != nil && at.number == k.number
}

// claim is that somebody is a DN or a trunk's user, with the credentials that go with it.
func (cs *callers) claim(m *message.Message, in *packet, v *fsm.View, number []byte) guard.Claim {
	c := guard.Claim{Role: guard.AsProxy, Number: number, Method: m.Method, Source: in.source}
	if cs.guard.Choose(&c, v.Options().GetRealm(), m.All(message.ProxyAuthorization)) {
		c.Print = cs.print(m, &c.Credentials)
	}
	return c
}

// admitTrunk lets a trunk in that has proved what it has to. Otherwise the answer is
// filled in, or none is given.
func (cs *callers) admitTrunk(m *message.Message, in *packet, v *fsm.View, k *trunk, o *callOrigin, a *answer.Answer) bool {
	o.kind, o.dn, o.domain = fromTrunk, k.number, domainOf(v, k.number)
	switch method := string(m.Method); {
	case method != "INVITE" && method != "MESSAGE" && method != "NOTIFY": // a voicemail system tells what waits (RFC 3842)
		a.Set(405, "Not from a trunk")
		a.Header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY")
		return false
	case k.asked() != nil && !cs.prove(m, in, v, k, a):
		return false
	case method == "INVITE" && cs.draining():
		a.Draining()
		return false
	}
	o.hop.keep()
	return true
}

// prove has a trunk prove to be its user (RFC 3261 §22.3). When it is false the answer is
// filled in, or none is given.
func (cs *callers) prove(m *message.Message, in *packet, v *fsm.View, k *trunk, a *answer.Answer) bool {
	claim := cs.claim(m, in, v, []byte(k.asked().GetUser()))
	claim.Trunk, claim.Placed = k.config, cs.isAt(k, in)
	if cs.guard.Check(&claim, v, a) == nil {
		return false
	}
	cs.trunks.proved.Add(k.at(in.source))
	return true
}

// withheld is the DN of a caller whom From does not name: the user of the credentials,
// or until there are some what the phone wants to be known by, of which no more is
// believed than that it can prove it.
func (cs *callers) withheld(m *message.Message, in *packet, v *fsm.View) []byte {
	if c := cs.claim(m, in, v, nil); !c.None {
		return c.Credentials.Username
	}
	return identity.Preferred(m)
}

// authenticate checks that the caller is the DN that it says it is
// (RFC 3261 §22.3). When it is nil the answer is filled in, or none is given.
func (cs *callers) authenticate(m *message.Message, in *packet, v *fsm.View, number []byte, a *answer.Answer) *configpb.DN {
	claim := cs.claim(m, in, v, number)
	return cs.guard.Check(&claim, v, a)
}

// print identifies a request among all that could carry the same credentials.
func (cs *callers) print(m *message.Message, c *digest.Credentials) uint32 {
	var h maphash.Hash
	h.SetSeed(cs.seed)
	for _, b := range [...][]byte{m.Method, m.URI, c.Response, m.Get(message.CallID), m.Get(message.CSeq), m.Get(message.To)} {
		h.Write(b)
		h.WriteByte(0)
	}
	return uint32(h.Sum64())
}
