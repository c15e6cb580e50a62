package proxy

import (
	cryptorand "crypto/rand"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A gateway that asks who calls is answered here, with the account that the cluster has
// there, and not by the caller, who has none. The request goes out again as that of a UA
// would, with a higher CSeq (RFC 3261 §22.2); so from then on all that the caller sends
// there is numbered higher by as much, which the token of the gateway's side says, and
// what comes back is numbered as the caller knows it.

// maxAsked is how often a gateway may ask for one request: the second time its nonce was
// too old.
const maxAsked = 2

// account is a user that a gateway knows, in a realm.
type account struct {
	*configpb.TrunkAuth
	realm string
}

// accountAt is that of a trunk; without TrunkAuth when there is none.
func accountAt(t *configpb.Trunk) account { return account{t.GetOutboundAuth(), t.GetOutboundRealm()} }

// answer is the header line that answers one of the challenges of a response; nil when
// there is none for the account.
func (ac account) answer(res *message.Message, method string, uri []byte) []byte {
	if ac.TrunkAuth == nil || res.Status != 401 && res.Status != 407 {
		return nil
	}
	asks, says := "WWW-Authenticate", "Authorization: "
	if res.Status == 407 {
		asks, says = "Proxy-Authenticate", "Proxy-Authorization: "
	}
	algorithm := digest.MD5
	if ac.GetAlgorithm() == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		algorithm = digest.SHA256
	}
	for i := range res.Headers {
		h := &res.Headers[i]
		var c digest.Challenge
		if message.EqualFold(h.Name, asks) && c.Parse(h.Value) && string(c.Realm) == ac.realm && c.Algorithm == algorithm {
			line := c.AppendAnswer([]byte(says), ac.GetUser(), ac.GetHa1(), method, uri, cryptorand.Text())
			return append(line, "\r\n"...)
		}
	}
	return nil
}

// answers sends the request of a branch again when the gateway asks for the account that
// the cluster has there; false when it is not answered.
func (b *branch) answers(res *message.Message) bool {
	c := b.c
	if b.asked == maxAsked || b.a == nil || b.a.stopped != nil || c.final {
		return false
	}
	line := b.account.answer(res, string(c.req.Method), b.leg.uri)
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
	return l.side != nil && l.side.Purpose == route.Trunk && (res.Status == 401 || res.Status == 407)
}

// noAccount is what is said instead.
const noAccount = "The carrier does not take the cluster's account"

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
	if x.asked == maxAsked || x.answered || res.Status != 401 && res.Status != 407 {
		return false
	}
	var m message.Message
	x.req.Read(&m)
	d := route.DialogOf(&m)
	s, f := x.in.routes.Read(d, m.URI, m.Elements(message.Route))
	if f != nil || s.Peer.Purpose != route.None || s.Last.Purpose != route.Trunk {
		return false
	}
	line := accountAt(x.in.path.trunks.get(s.Last.Number).configured()).answer(res, string(m.Method), s.URI)
	to, f := x.in.path.next(&s, x.in.dialogs.Contact(x.at.Key, x.at.By.Other()), &d, x.method == methodBye)
	if line == nil || f != nil || to == nil || x.method != methodBye && !x.in.dialogs.Raise(x.at) {
		return false
	}
	x.asked++
	return x.send(&m, &s, to, newBranch(loopMark(x.in.seed, &m)), line) == nil
}
