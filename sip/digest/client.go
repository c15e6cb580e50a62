package digest

import (
	"bytes"
	"fmt"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Challenge is what a server asks its client for (RFC 7616 §3.3). Its slices are parts of
// the header's value.
type Challenge struct {
	Realm, Nonce, Opaque []byte
	Algorithm            Algorithm
	// Session: the algorithm is the -sess variant (§3.4.2).
	Session bool
	// QOP is the quality of protection of the answer.
	QOP QOP
}

// QOP is the quality of protection (RFC 7616 §3.4).
type QOP uint8

const (
	// Unprotected: the server is older than qop (RFC 2069).
	Unprotected QOP = iota
	// Auth is qop=auth.
	Auth
	// AuthInt is qop=auth-int, which covers the body (§3.4.3).
	AuthInt
)

// String is the name in a header, "" for Unprotected.
func (q QOP) String() string { return [...]string{"", "auth", "auth-int"}[q] }

// Parse reads the value of a WWW-Authenticate or Proxy-Authenticate header; false for one
// that can't be answered here.
func (c *Challenge) Parse(v []byte) bool {
	*c = Challenge{}
	known := true
	v, ok := params(v)
	for len(v) > 0 && ok {
		var name, value []byte
		if name, value, v, ok = message.NextAuthParam(v); ok {
			known = c.take(name, message.Bare(value)) && known
		}
	}
	return ok && known && c.Realm != nil && c.Nonce != nil
}

// take notes a parameter; false when it asks for what is not done here.
func (c *Challenge) take(name, value []byte) bool {
	switch {
	case message.EqualFold(name, "realm"):
		c.Realm = value
	case message.EqualFold(name, "nonce"):
		c.Nonce = value
	case message.EqualFold(name, "opaque"):
		c.Opaque = value
	case message.EqualFold(name, "algorithm"):
		return c.hashesBy(value)
	case message.EqualFold(name, "qop"):
		switch {
		case message.Lists(value, "auth"):
			c.QOP = Auth
		case message.Lists(value, "auth-int"):
			c.QOP = AuthInt
		default:
			return false
		}
	}
	return true
}

// hashesBy notes the algorithm; false for one that is not known.
func (c *Challenge) hashesBy(name []byte) bool {
	const session = "-sess"
	if n := len(name) - len(session); n > 0 && message.EqualFold(name[n:], session) {
		name, c.Session = name[:n], true
	}
	c.Algorithm = MD5
	if message.EqualFold(name, "sha-256") {
		c.Algorithm = SHA256
	}
	return c.Algorithm == SHA256 || message.EqualFold(name, "md5")
}

// Answered is the request with which a challenge is answered, and by whom.
type Answered struct {
	User, HA1, Method string
	URI, Body         []byte
	// CNonce has never been used before.
	CNonce string
	// Count is how often the nonce has been used before.
	Count uint32
}

// hashOf hashes parts with colons between them.
func (a Algorithm) hashOf(parts ...[]byte) []byte {
	return a.appendHash(nil, bytes.Join(parts, []byte(":")))
}

// nc is the count of the nonce, this time among them.
func (r *Answered) nc() []byte { return fmt.Appendf(nil, "%08x", r.Count+1) }

// response is that of a request (RFC 7616 §3.4.1 to §3.4.3).
func (c *Challenge) response(r *Answered) []byte {
	hash, ha1, cnonce := c.Algorithm.hashOf, []byte(r.HA1), []byte(r.CNonce)
	if c.Session {
		ha1 = hash(ha1, c.Nonce, cnonce)
	}
	ha2 := hash([]byte(r.Method), r.URI)
	if c.QOP == AuthInt {
		ha2 = hash([]byte(r.Method), r.URI, hash(r.Body))
	}
	if c.QOP == Unprotected {
		return hash(ha1, c.Nonce, ha2)
	}
	return hash(ha1, c.Nonce, r.nc(), cnonce, []byte(c.QOP.String()), ha2)
}

// AppendAnswer appends the value of the header that answers the challenge.
func (c *Challenge) AppendAnswer(dst []byte, r *Answered) []byte {
	quoted := func(name string, value []byte) {
		dst = append(append(append(append(dst, name...), `="`...), value...), `", `...)
	}
	dst = append(dst, "Digest "...)
	quoted("username", []byte(r.User))
	quoted("realm", c.Realm)
	quoted("nonce", c.Nonce)
	quoted("uri", r.URI)
	quoted("response", c.response(r))
	if c.Opaque != nil {
		quoted("opaque", c.Opaque)
	}
	if c.Session || c.QOP != Unprotected {
		quoted("cnonce", []byte(r.CNonce))
	}
	dst = append(append(dst, "algorithm="...), c.Algorithm.String()...)
	if c.Session {
		dst = append(dst, "-sess"...)
	}
	if c.QOP != Unprotected {
		dst = append(append(append(append(dst, ", qop="...), c.QOP.String()...), ", nc="...), r.nc()...)
	}
	return dst
}
