package proxy

import (
	"cmp"
	cryptorand "crypto/rand"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/enrolment"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A gateway that asks who calls is answered here, with the account that the cluster has
// there, and not by the caller, who has none. The request goes out again as that of a UA
// would, with a higher CSeq (RFC 3261 §22.2); so from then on all that the caller sends
// there is numbered higher by as much, which the token of the gateway's side says, and
// what comes back is numbered as the caller knows it.

// maxAsked is how often a proxy, and the server behind it, may each ask for one request: the
// second time its nonce was too old. mostAsked is how often both may (route.Token.Skew).
const maxAsked, mostAsked = 2, 3

// account is a user that a gateway knows, in a realm.
type account struct {
	*configpb.TrunkAuth
	realm string
}

// accountAt is that of a trunk; without TrunkAuth when there is none.
func accountAt(t *configpb.Trunk) account { return account{t.GetOutboundAuth(), t.GetOutboundRealm()} }

// accountOf is that of a registration.
func accountOf(p *enrolment.Proof) account {
	return account{&configpb.TrunkAuth{User: p.User, Ha1: p.HA1, Sha256Ha1: p.SHA256HA1, Algorithm: p.Algorithm}, p.Realm}
}

// digest is the stored one by an algorithm; "" for none.
func (ac account) digest(by digest.Algorithm) string {
	switch stored := ac.GetAlgorithm() == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256; {
	case stored == (by == digest.SHA256):
		return ac.GetHa1()
	case by == digest.SHA256:
		return ac.GetSha256Ha1()
	}
	return ""
}

// challenges are those of a response for the account's realm, in the order in which the
// gateway prefers them (RFC 8760 §2.4), without those of which nothing is known here.
func (ac account) challenges(res *message.Message) (list []digest.Challenge) {
	if ac.TrunkAuth == nil || !asksWho(res) {
		return nil
	}
	asks, _ := headersOf(res.Status)
	for i := range res.Headers {
		h := &res.Headers[i]
		var c digest.Challenge
		if message.EqualFold(h.Name, asks) && c.Parse(h.Value) && string(c.Realm) == ac.realm {
			list = append(list, c)
		}
	}
	return list
}

// asking are the responses that asked who sends a request, and were answered: the last one
// by 401, and by 407. A proxy and the server behind it may both ask, and what goes out again
// answers each (RFC 3261 §22.3).
type asking [2]struct {
	res   *message.Message
	uses  uint32 // of its nonce
	times uint8  // that it has asked
}

// answer are the header lines that answer a response, and those of before; nil when there
// is no digest for it, or it was asked often enough.
func (as *asking) answer(ac account, res *message.Message, method string, uri, body []byte) []byte {
	this, other := &as[0], &as[1]
	if res.Status == 407 {
		this, other = other, this
	}
	if this.times == maxAsked || this.times+other.times == mostAsked {
		return nil
	}
	lines := ac.answer(res, 0, method, uri, body)
	if lines == nil {
		return nil
	}
	this.res, this.uses, this.times = res.Clone(), 1, this.times+1
	if other.res != nil {
		lines = append(lines, ac.answer(other.res, other.uses, method, uri, body)...)
		other.uses++
	}
	return lines
}

// answer is the header line that answers the first challenge of a response for which there
// is a digest; nil for none. The request is that with uri and body; uses is how often it was
// answered before.
func (ac account) answer(res *message.Message, uses uint32, method string, uri, body []byte) []byte {
	for _, c := range ac.challenges(res) {
		if ha1 := ac.digest(c.Algorithm); ha1 != "" {
			_, says := headersOf(res.Status)
			line := c.AppendAnswer([]byte(says+": "), &digest.Answered{User: ac.GetUser(), HA1: ha1, Method: method, URI: uri, Body: body, CNonce: cryptorand.Text(), Count: uses})
			return append(line, "\r\n"...)
		}
	}
	return nil
}

// lacks says which digest the gateway asks for that is not stored; "" when that is not why
// it isn't answered.
func (ac account) lacks(res *message.Message) string {
	list := ac.challenges(res)
	for _, c := range list {
		if ac.digest(c.Algorithm) != "" {
			return ""
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "The carrier wants a digest by " + list[0].Algorithm.String() + ", which is not stored: set the password anew"
}

func asksWho(res *message.Message) bool { return res.Status == 401 || res.Status == 407 }

// headersOf are the header of a challenge in a response of that status, and that of its answer.
func headersOf(status int) (asks, says string) {
	if status == 407 {
		return "Proxy-Authenticate", "Proxy-Authorization"
	}
	return "WWW-Authenticate", "Authorization"
}

// answers sends the request of a branch again when the gateway asks for the account that
// the cluster has there; false when it is not answered.
func (b *branch) answers(res *message.Message) bool {
	c := b.c
	if b.a == nil || b.a.stopped != nil || c.final {
		return false
	}
	uri, _ := route.Onward(b.leg.uri, b.leg.routes)
	line := b.asks.answer(b.account, res, string(c.req.Method), uri, c.req.Body)
	if line == nil {
		return false
	}
	b.asked++
	c.renumbered = true
	return b.transmit(newBranch(c.mark), line) == nil
}

// unwanted tells whether an answer of a gateway asks who calls: no phone is told so, whose
// password is for nobody else.
func unwanted(l *leg, res *message.Message) bool {
	return l.side != nil && l.side.Purpose == route.Trunk && asksWho(res)
}

// refused is what is said instead.
func (ac account) refused(res *message.Message) string {
	if ac.TrunkAuth != nil && len(ac.challenges(res)) == 0 {
		return "The carrier asks for nobody of the trunk's outbound_realm"
	}
	return cmp.Or(ac.lacks(res), "The carrier does not take the cluster's account")
}

// retryAfter is how long who sent a response wants to be left alone; 0 for others.
func retryAfter(res *message.Message) time.Duration {
	if res == nil {
		return 0
	}
	return number(message.Digits(res.Named("retry-after")))
}

// renumber are the changes of a request that is numbered higher by some.
func renumber(m *message.Message, by uint8, ch *message.Changes) {
	if by == 0 {
		return
	}
	n, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	ch.CSeq = n + uint32(by)
	for i := range m.Headers {
		h := &m.Headers[i]
		if !message.EqualFold(h.Name, "rack") {
			continue
		}
		if k, ok := parseRAck(h.Value); ok {
			drop := ch.Drop
			ch.Drop = func(x *message.Header) bool { return x == h || drop != nil && drop(x) }
			ch.Lines = append(ch.Lines, k.raised(by)...)
		}
	}
}

// skew is by how much a request that follows its Route is numbered higher: as the token
// says, and by what was sent twice within the dialog since.
func (rs *relays) skew(s *route.Set, at dialog.Ref) uint8 {
	if s.Peer.Purpose != route.None || s.Last.Purpose != route.Trunk {
		return 0
	}
	by := rs.dialogs.Raised(at)
	if s.Last.Called {
		by += s.Last.Skew
	}
	return by
}

// answers sends a request of a dialog again when the gateway asks for the account that the
// cluster has there; false when it is not answered: the answer is the sender's then.
func (x *relay) answers(res *message.Message) bool {
	if x.answered || !asksWho(res) {
		return false
	}
	var m message.Message
	x.req.Read(&m)
	d := route.DialogOf(&m)
	s, f := x.in.routes.Read(d, m.URI, m.Elements(message.Route))
	if f != nil || s.Peer.Purpose != route.None || s.Last.Purpose != route.Trunk {
		return false
	}
	x.account = accountAt(x.in.path.trunks.get(s.Last.Number).configured())
	uri, _ := route.Onward(s.URI, s.Rest)
	line := x.asks.answer(x.account, res, string(m.Method), uri, m.Body)
	to, f := x.in.path.next(&s, x.in.dialogs.Contact(x.at.Key, x.at.By.Other()), &d, x.method == methodBye)
	if line == nil || f != nil || to == nil || x.method != methodBye && !x.in.dialogs.Raise(x.at) {
		return false
	}
	x.asked++
	return x.send(&m, &s, to, newBranch(loopMark(x.in.seed, &m)), line) == nil
}
