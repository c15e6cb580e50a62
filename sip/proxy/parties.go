package proxy

import (
	"context"
	"errors"
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Who is called and who calls is read here alone: of a request, and of what somebody asks
// about who makes none (Proxy.Called, Proxy.Caller).

// calls is why a request from outside can't call its URI; nil when it can. invite: it is an
// INVITE.
func (cs *callers) calls(m *message.Message, in *packet, invite bool) *message.Fault {
	return cs.reaches(m.URI, invite, func() bool { return cs.sentByTrunk(m, in) })
}

// reaches is why nobody is called by a URI; nil when somebody may be. invite: by an INVITE,
// which may call a Contact. Of what a trunk sends the user part alone counts: carriers and
// SBCs write their own domain there, that of the number, or a name that this node has for
// others. No request goes to that host: it is sent to who has the number here (RFC 3261
// §16.5), and what comes by a trunk leaves by none.
func (cs *callers) reaches(uri []byte, invite bool, byTrunk func() bool) *message.Fault {
	u, f := message.ParseCalled(uri)
	switch {
	case f != nil:
		return f
	case invite && message.IsNowhere(u.Host):
		return nil
	case cs.served(&u) && numbering.Numberless(&u):
		return errNumberless
	case cs.served(&u):
		return nil
	case u.IsSIP() && len(u.User) > 0 && byTrunk():
		return nil
	}
	return errOtherDomain
}

var (
	errOtherDomain = &message.Fault{Code: 404, Reason: "Not a domain of this cluster"}
	// errNumberless is of a URI that is a domain alone (RFC 3261 §21.4.22).
	errNumberless = &message.Fault{Code: 484, Reason: "Address Incomplete: nobody is called by a domain alone"}
)

// callerOf is the number that the value of a From shows, and its URI.
func callerOf(from []byte) (string, message.URI) {
	a, _ := message.ParseAddress(from)
	u, _ := message.ParseURI(a.URI)
	return numbering.NumberOf(&u), u
}

// served tells whether a URI is one of this cluster: of a tel URI that its number is one
// here, which a phone-context that names another domain denies of a local number (RFC 3966
// §5.1.5); a global one is the same everywhere.
func (cs *callers) served(u *message.URI) bool {
	if !message.EqualFold(u.Scheme, "tel") {
		return cs.guard.Mine(u.Host)
	}
	number, context := numbering.Telephone(u.Rest)
	return number != "" && number[0] == '+' || context == "" || context[0] == '+' || cs.guard.Mine([]byte(context))
}

// Errors of texts that no request could bear.
var (
	errNotCalled = errors.New("want a number, or a sip, sips or tel URI")
	errNotCaller = errors.New("want a number, a URI, or the value of a From header")
)

// Called is what an INVITE would call by a text: a URI, or a number, of which a phone makes
// one of this cluster; from is the phone's DN, or the trunk, that calls. A fault is the answer
// to one that calls nobody here; an error says that the text is none of both.
func (p *Proxy) Called(ctx context.Context, from dn.Number, text string) (called string, secure bool, f *message.Fault, err error) {
	uri := []byte(text)
	if dn.ValidNumber(text) {
		uri = p.own(text)
	} else if _, ok := message.ParseURI(uri); !ok {
		return "", false, nil, errNotCalled
	}
	u, _ := message.ParseURI(uri)
	called = numbering.NumberOf(&u)
	if f = p.callers.reaches(uri, true, func() bool { return p.trunks.knowsBySource(from) }); f == nil && p.calls.isContact(&u, called) {
		ctx, cancel := context.WithTimeout(ctx, findFor)
		defer cancel()
		n := p.calls.find(ctx, string(uri))
		called, f = contactOf(&u, called, n)
	}
	return called, message.IsSecure(uri), f, nil
}

// Caller is the number that a text shows: the value of a From, or a number.
func (p *Proxy) Caller(text string) (string, error) {
	from := []byte(text)
	if dn.ValidNumber(text) {
		from = p.own(text)
	}
	a, ok := message.ParseAddress(from)
	if _, isURI := message.ParseURI(a.URI); !ok || !isURI {
		return "", errNotCaller
	}
	n, _ := callerOf(from)
	return n, nil
}

// own is the URI of a number of this cluster.
func (p *Proxy) own(number string) []byte {
	return []byte("sip:" + escape(number) + "@" + p.trunks.machine.View().Options().GetRealm())
}

// OutOfReach tells why this node has no way to addresses of a trunk, and whether those are
// all that it has.
func (p *Proxy) OutOfReach(n dn.Number) (why []string, all bool) {
	for _, s := range p.TrunkStates(n) {
		if s.Unable {
			why = append(why, s.Err.Error())
		}
	}
	return why, p.trunks.book.OutOfReach(n)
}

// LeavesByTLS tells whether a trunk has an address to which sips goes.
func (p *Proxy) LeavesByTLS(n dn.Number) bool {
	return slices.ContainsFunc(p.TrunkStates(n), func(s carrier.State) bool { return s.Way.Addr.IsValid() && sealed(s.Way.Transport) })
}

// RingsByTLS tells whether a phone of a DN is registered here to which sips goes.
func (p *Proxy) RingsByTLS(n dn.Number) bool {
	for _, b := range p.relays.path.bindings(n) {
		if sealed(b.Transport) {
			return true
		}
	}
	return false
}
