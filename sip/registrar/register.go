package registrar

import (
	"net/netip"
	"slices"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// Request is a REGISTER as the registrar sees it. Both ways in, the plain one
// through sipgo and the fast one, fill it; its slices are parts of the message
// and live as long as that is being served.
type Request struct {
	// URIHost is the host of the Request-URI, toUser (unescaped) and toHost
	// are those of the address of record.
	URIHost, ToUser, ToHost []byte
	CallID                  []byte
	CSeq                    uint32
	contacts                []contact
	star                    bool
	// alien: a Contact was there that no request can be sent to.
	alien bool
	// Expires is the header's value in seconds, -1 without one.
	Expires        int64
	Authorizations [][]byte
	Path           [][]byte
	SupportsPath   bool
	// SupportsGRUU: it asks for URIs that lead to each of its phones.
	SupportsGRUU bool
	// SupportsOutbound: it knows flows (RFC 5626).
	SupportsOutbound bool
	UserAgent        []byte
	Transport        location.Transport
	Source           netip.AddrPort
	// Mapped as in location.Binding.
	Mapped bool
	// bindings is room for the next state of the DN, kept from use to use.
	bindings []location.Binding
}

// flow is the connection that it came over.
func (r *Request) flow() wire.FlowKey { return wire.FlowKey{Transport: r.Transport, Peer: r.Source} }

// contact is one Contact of a REGISTER.
type contact struct {
	uri, params []byte
	// expires in seconds, -1 when the contact does not say.
	expires int64
}

// Reset makes r ready for the next message and keeps its room.
func (r *Request) Reset() {
	clear(r.bindings[:cap(r.bindings)])
	*r = Request{Expires: -1, contacts: r.contacts[:0], Authorizations: r.Authorizations[:0], Path: r.Path[:0], bindings: r.bindings[:0]}
}

// malformedExpires is what a lifetime that is no number counts as (RFC 3261 §10.2.1.1).
const malformedExpires = 3600

// maxSeconds is the greatest delta-seconds (RFC 3261 §25.1); more counts as that.
const maxSeconds = 1<<32 - 1

// ParseExpires reads a lifetime in seconds; one that is malformed counts as an hour.
func ParseExpires(v []byte) int64 {
	if len(v) == 0 {
		return malformedExpires
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return malformedExpires
		}
		n = min(n*10+int64(c-'0'), maxSeconds)
	}
	return n
}

// AddContacts reads the value of a Contact header; false when it is none, or a second "*". Those of other
// schemes (mailto) are left out: no call can be sent to them.
func (r *Request) AddContacts(v []byte) bool {
	if string(v) == "*" {
		once := !r.star
		r.star = true
		return once
	}
	for one := range message.Elements(v) {
		a, ok := message.ParseAddress(one)
		if !ok {
			return false
		}
		if c := (contact{uri: a.URI, expires: -1}); message.IsSIP(a.URI) {
			c.params, c.expires = splitExpires(a.Params)
			r.contacts = append(r.contacts, c)
		} else {
			r.alien = true
		}
	}
	return true
}

// registers tells whether it asks for a registration, and not just to be told of
// what there is, or to end it.
func (r *Request) registers() bool {
	return slices.ContainsFunc(r.contacts, func(c contact) bool {
		return c.expires > 0 || c.expires < 0 && r.Expires != 0
	})
}

// splitExpires takes the expires parameter out of a Contact's parameters.
func splitExpires(params []byte) (others []byte, expires int64) {
	for p := params; len(p) > 0; {
		name, value, rest, ok := message.NextParam(p)
		if !ok {
			break
		}
		if message.EqualFold(name, "expires") {
			before := params[:len(params)-len(p)]
			expires = ParseExpires(value)
			if len(rest) == 0 {
				return before[:len(before):len(before)], expires
			}
			return append(before[:len(before):len(before)], rest...), expires
		}
		p = rest
	}
	return params, -1
}
