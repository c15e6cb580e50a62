package route

import (
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Set is what the Route list of a request says (RFC 3261 §16.4, §16.12).
type Set struct {
	// URI is the Request-URI to go on with.
	URI []byte
	// Rest is the Route list behind what was ours.
	Rest [][]byte
	// First is the first token of all, another node's perhaps; of purpose None when
	// there is none. It is that of the sender's side when the request comes from there.
	First Token
	// Near: the first token leads to the side that sent the request. Only another node
	// takes that of its own off.
	Near bool
	// FromCalled: the called side sent the request, by the tokens.
	FromCalled bool
	// Last is the token of the last entry of ours that was taken off.
	Last Token
	// Peer is the token of the next entry, when that leads to another node.
	Peer Token
	// Secure: the entry of Peer, or else that of Last, is one of sips: TLS to that party.
	Secure bool
}

// Followed tells whether there is a token at all.
func (s *Set) Followed() bool { return s.First.Purpose != None }

// take notes a token.
func (s *Set) take(k Token, dir direction) {
	if !s.Followed() {
		s.First, s.FromCalled, s.Near = k, dir == fromCalled, k.Called == (dir == fromCalled)
	}
}

// Reader takes the entries of a node off Route lists.
type Reader struct {
	Ring *Ring
	Self dn.Node
	// Mine tells whether host and port of a URI without token name this node or its cluster.
	Mine func(message.URI) bool
	// Others tells whether they are those of another node; nil for never.
	Others func(message.URI) bool
}

var errForged = &message.Fault{Code: 403, Reason: "Route is not of this cluster"}

// here tells whether the token's Route leads to this node.
func (o *Reader) here(k *Token) bool { return k.Purpose == Deliver || k.Node == o.Self }

// Read takes the entries of this node off the list. A Request-URI that is one of the
// cluster's comes from a strict router, which has put the real one last (§16.4).
func (o *Reader) Read(d Dialog, uri []byte, list [][]byte) (s Set, fault *message.Fault) {
	s.URI, s.Rest = uri, list
	if len(list) == 0 {
		return s, nil
	}
	dir := likelyNear
	if k, is, ok := o.read(&d, uri, dir); ok && k.Purpose != Deliver {
		dir = is
		s.take(k, dir)
		s.Secure = message.IsSecure(uri)
		last, _ := message.ParseAddress(list[len(list)-1])
		s.URI, s.Rest = last.URI, list[:len(list)-1]
		if !o.here(&k) {
			s.Peer, s.Rest = k, slices.Concat([][]byte{slices.Concat([]byte("<"), uri, []byte(">"))}, s.Rest)
			return s, nil
		}
		s.Last = k
	} else if len(list) == 1 {
		dir = likelyFar // a node has taken its own off
	}
	for len(s.Rest) > 0 {
		a, _ := message.ParseAddress(s.Rest[0])
		k, is, ok := o.entry(&d, a.URI, dir)
		switch {
		case !ok:
			return s, errForged
		case k.Purpose == None && !o.named(a.URI):
			return s, nil
		case k.Purpose == None:
		case !o.here(&k):
			s.take(k, is)
			s.Peer, s.Secure = k, message.IsSecure(a.URI)
			return s, nil
		default:
			dir = is
			s.take(k, dir)
			s.Last, s.Secure = k, message.IsSecure(a.URI)
		}
		s.Rest = s.Rest[1:]
	}
	return s, nil
}

// entry reads the token of a URI: None for one that has no user part or is somebody
// else's; not ok for one that claims to be ours and is not.
func (o *Reader) entry(d *Dialog, uri []byte, dir direction) (k Token, is direction, ok bool) {
	if k, is, ok = o.read(d, uri, dir); ok {
		return k, is, true
	}
	u, ok := message.ParseURI(uri)
	return Token{}, dir, !ok || !u.IsSIP() || len(u.User) == 0 || !o.Mine(u) || d.To == nil && !resembles(u.User)
}

// read reads the token of a URI; false when it has none.
func (o *Reader) read(d *Dialog, uri []byte, dir direction) (k Token, is direction, ok bool) {
	u, ok := message.ParseURI(uri)
	if !ok || !u.IsSIP() || len(u.User) == 0 {
		return k, dir, false
	}
	return o.Ring.decode(u.User, d, dir)
}

// named tells whether a URI without a token leads here: an outbound proxy that
// a phone was told. That may be another node too: what one does for it all do.
func (o *Reader) named(uri []byte) bool {
	u, ok := message.ParseURI(uri)
	return ok && u.IsSIP() && (o.Mine(u) || len(u.User) == 0 && o.Others != nil && o.Others(u))
}

// mine tells whether a Record-Route entry of a dialog is this node's. The dialog is as
// the caller sees it.
func (o *Reader) mine(d *Dialog, entry []byte) bool {
	a, _ := message.ParseAddress(entry)
	k, _, ok := o.read(d, a.URI, fromCaller)
	return ok && o.here(&k)
}

// Downstream is the Route from here to who answered a request: the entries above ours,
// the nearest first.
func (o *Reader) Downstream(res *message.Message) (routes [][]byte) {
	d := DialogOf(res)
	list := res.Elements(message.RecordRoute)
	for i, r := range list {
		if o.mine(&d, r) {
			list = list[:i]
			break
		}
	}
	slices.Reverse(list)
	return list
}

// Way is the Route from here to the end of a list, which begins with entries of others:
// the first of it is this node's. The dialog is as the caller sees it.
func (o *Reader) Way(d Dialog, list [][]byte) [][]byte {
	i := slices.IndexFunc(list, func(r []byte) bool { return o.mine(&d, r) })
	if i < 0 {
		return nil
	}
	return list[i:]
}
