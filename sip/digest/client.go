package digest

import (
	"bytes"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Challenge is what a server asks its client for (RFC 7616 §3.3). Its slices are parts of
// the header's value.
type Challenge struct {
	Realm, Nonce, Opaque []byte
	Algorithm            Algorithm
	// Protected: the server knows qop=auth.
	Protected bool
}

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
		c.Algorithm = MD5
		if message.EqualFold(value, "sha-256") {
			c.Algorithm = SHA256
		}
		return c.Algorithm == SHA256 || message.EqualFold(value, "md5")
	case message.EqualFold(name, "qop"):
		c.Protected = message.Lists(value, "auth")
		return c.Protected
	}
	return true
}

// AppendAnswer appends the value of the header that answers the challenge, whose nonce is
// used for the first time.
func (c *Challenge) AppendAnswer(dst []byte, user, ha1, method string, uri []byte, cnonce string) []byte {
	const first = "00000001"
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, []byte(":")) }
	hash := func(b []byte) []byte { return c.Algorithm.appendHash(nil, b) }
	ha2 := hash(join([]byte(method), uri))
	response := hash(join([]byte(ha1), c.Nonce, ha2))
	if c.Protected {
		response = hash(join([]byte(ha1), c.Nonce, []byte(first), []byte(cnonce), []byte("auth"), ha2))
	}
	quoted := func(name string, value []byte) {
		dst = append(append(append(append(dst, name...), `="`...), value...), `", `...)
	}
	dst = append(dst, "Digest "...)
	quoted("username", []byte(user))
	quoted("realm", c.Realm)
	quoted("nonce", c.Nonce)
	quoted("uri", uri)
	quoted("response", response)
	if c.Opaque != nil {
		quoted("opaque", c.Opaque)
	}
	dst = append(append(dst, "algorithm="...), c.Algorithm.String()...)
	if c.Protected {
		dst = append(append(append(dst, ", qop=auth, nc="+first+", cnonce=\""...), cnonce...), '"')
	}
	return dst
}
