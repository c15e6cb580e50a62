package proxy

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"github.com/sipcluster/sipcluster/sip/message"
)

// routing is what the Route list of a request says (RFC 3261 §16.4, §16.12).
type routing struct {
	// uri is the Request-URI to go on with.
	uri []byte
	// rest is the Route list behind what was ours.
	rest [][]byte
	// last is the token of the last entry of ours that was taken off; of purpose
	// noToken when none had one, and the request is not trusted.
	last Token
	// peer is the token of the next entry, when that leads to another node.
	peer Token
}

// routeReader tells what a Route URI is to this node.
type routeReader struct {
	// token reads the user part of a call.
	token func(user, callID []byte) (Token, bool)
	// here tells whether the token's Route leads to this node.
	here func(Token) bool
	// mine tells whether host and port name this node or its cluster.
	mine func(message.URI) bool
}

var (
	errForged  = &message.Fault{Code: 403, Reason: "Route is not of this cluster"}
	errForeign = &message.Fault{Code: 403, Reason: "Route to elsewhere"}
)

// route takes the entries of this node off the list. A Request-URI that is one
// of them comes from a strict router, which has put the real one last (§16.4).
func (o *routeReader) route(callID, uri []byte, list [][]byte) (r routing, fault *message.Fault) {
	r.uri, r.rest = uri, list
	if len(list) == 0 {
		return r, nil
	}
	if k, ok := o.read(callID, uri); ok && k.Purpose != ToDeliver {
		last, _ := message.ParseAddress(list[len(list)-1])
		r.uri, r.rest = last.URI, list[:len(list)-1]
		if o.here(k) {
			r.last = k
		}
	}
	for len(r.rest) > 0 {
		a, _ := message.ParseAddress(r.rest[0])
		k, ok := o.entry(callID, a.URI)
		switch {
		case !ok:
			return r, errForged
		case k.Purpose != noToken && !o.here(k):
			r.peer = k
			return r, nil
		case k.Purpose == noToken && !o.named(a.URI):
			return r, nil
		case k.Purpose != noToken:
			r.last = k
		}
		r.rest = r.rest[1:]
	}
	return r, nil
}

// entry reads the token of a URI: noToken for one that has no user part or is
// somebody else's; not ok for one that claims to be ours and is not.
func (o *routeReader) entry(callID, uri []byte) (k Token, ok bool) {
	if k, ok = o.read(callID, uri); ok {
		return k, true
	}
	u, ok := message.ParseURI(uri)
	return Token{}, !ok || !u.IsSIP() || len(u.User) == 0 || !o.mine(u)
}

// read reads the token of a URI; false when it has none.
func (o *routeReader) read(callID, uri []byte) (k Token, ok bool) {
	u, ok := message.ParseURI(uri)
	if !ok || !u.IsSIP() || len(u.User) == 0 {
		return k, false
	}
	return o.token(u.User, callID)
}

// named tells whether a URI without a token leads here: an outbound proxy that
// a phone was told.
func (o *routeReader) named(uri []byte) bool {
	u, ok := message.ParseURI(uri)
	return ok && u.IsSIP() && o.mine(u)
}

// downstream is the route from here to who answered: the entries above ours,
// the nearest first.
func (o *routeReader) downstream(res *message.Message) (routes [][]byte) {
	for _, r := range res.Elements(message.RecordRoute) {
		a, _ := message.ParseAddress(r)
		if k, _ := o.entry(res.Get(message.CallID), a.URI); k.Purpose != noToken && o.here(k) {
			return routes
		}
		routes = append([][]byte{r}, routes...)
	}
	return routes
}

// branchPrefix begins the branches of the proxy.
const branchPrefix = message.MagicCookie + "sc"

// IsBranch tells whether a branch is one of the proxy's.
func IsBranch(branch []byte) bool { return bytes.HasPrefix(branch, []byte(branchPrefix)) }

// loopMark is what makes a request come back to us unchanged recognisable
// (RFC 3261 §16.6 step 8, RFC 5393 §4.2): everything that decides where it
// goes. It is in the branch of the Via that we add.
func loopMark(seed maphash.Seed, m *message.Message) [13]byte {
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(m.URI)
	n, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], n)
	h.Write(number[:])
	for _, k := range [...]message.Kind{message.From, message.To, message.CallID, message.ProxyRequire} {
		h.Write(m.Get(k))
		h.WriteByte(0)
	}
	for r := range m.All(message.Route) {
		h.Write(r)
		h.WriteByte(0)
	}
	return base32(h.Sum64())
}

func base32(n uint64) (out [13]byte) {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	for i := range out {
		out[i] = digits[n&31]
		n >>= 5
	}
	return out
}

// maxVias is how many hops a request may have made.
const maxVias = 70

var (
	errLoop = &message.Fault{Code: 482, Reason: "Loop Detected"}
	errHops = &message.Fault{Code: 483, Reason: "Too Many Hops"}
)

// looped finds our mark in the Via list.
func looped(m *message.Message, mark [13]byte) *message.Fault {
	n := 0
	for rest := range m.All(message.Via) {
		var v []byte
		for v, rest = message.NextElement(rest); ; v, rest = message.NextElement(rest) {
			if n++; n > maxVias {
				return errHops
			}
			if ownVia(v, mark) {
				return errLoop
			}
			if rest == nil {
				break
			}
		}
	}
	return nil
}

// ownVia tells whether a Via entry is one of ours with the mark.
func ownVia(v []byte, mark [13]byte) bool {
	if !bytes.Contains(v, mark[:]) {
		return false
	}
	via, _ := message.ParseVia(v)
	branch, _ := message.Param(via.Params, "branch")
	n := len(branchPrefix)
	return len(branch) > n+len(mark) && string(branch[:n]) == branchPrefix && string(branch[n:n+len(mark)]) == string(mark[:])
}
