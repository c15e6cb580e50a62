// Package digest is the server's side of HTTP Digest authentication as SIP
// uses it (RFC 7616, RFC 2617, RFC 8760; RFC 3261 §22.4): challenges, the check
// of credentials, and protection against replay. It keeps no state per phone:
// a nonce tells its own age and says where its use is counted. It knows no
// DNs: the caller brings the ha1.
package digest

import (
	"bytes"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Credentials are the parameters of an Authorization header, quotes and quoted pairs
// resolved. They are parts of the header's value, but those that had a quoted pair.
type Credentials struct {
	Username, Realm, Nonce, URI, Response []byte
	Algorithm, CNonce, QOP, NC            []byte
	// written is what is hashed as it was written, by who hashes over quoted pairs and not
	// what they stand for (unq in RFC 7616 §3.4 may mean either); nil without quoted pairs.
	written *hashed
}

// hashed are the parameters over which both sides hash, besides those that are tokens.
type hashed struct{ nonce, uri, cnonce []byte }

// Parse reads the value of an Authorization header. It is false for another
// scheme, for bad syntax, and when a needed parameter is missing.
func (c *Credentials) Parse(v []byte) bool {
	*c = Credentials{}
	v, ok := params(v)
	for len(v) > 0 && ok {
		var name, value []byte
		name, value, v, ok = message.NextAuthParam(v)
		if p := c.field(name); ok && p != nil {
			ok = value != nil && *p == nil
			*p = message.Bare(value)
		}
	}
	if ok {
		c.resolve()
	}
	return ok && c.Username != nil && c.Realm != nil && c.Nonce != nil && c.URI != nil && c.Response != nil
}

// params are those of a Digest header; false for another scheme.
func params(v []byte) (list []byte, ok bool) {
	scheme, list := message.NextWord(v)
	return list, message.EqualFold(scheme, "digest")
}

// resolve replaces quoted pairs by what they stand for.
func (c *Credentials) resolve() {
	fields := [...]*[]byte{&c.Username, &c.Realm, &c.Nonce, &c.URI, &c.Response, &c.Algorithm, &c.CNonce, &c.QOP, &c.NC}
	for _, p := range fields {
		if bytes.IndexByte(*p, '\\') < 0 {
			continue
		}
		if c.written == nil {
			c.written = &hashed{c.Nonce, c.URI, c.CNonce}
		}
		*p = message.Unescaped(*p)
	}
}

func (c *Credentials) field(name []byte) *[]byte {
	switch {
	case message.EqualFold(name, "username"):
		return &c.Username
	case message.EqualFold(name, "realm"):
		return &c.Realm
	case message.EqualFold(name, "nonce"):
		return &c.Nonce
	case message.EqualFold(name, "uri"):
		return &c.URI
	case message.EqualFold(name, "response"):
		return &c.Response
	case message.EqualFold(name, "algorithm"):
		return &c.Algorithm
	case message.EqualFold(name, "cnonce"):
		return &c.CNonce
	case message.EqualFold(name, "qop"):
		return &c.QOP
	case message.EqualFold(name, "nc"):
		return &c.NC
	}
	return nil
}
