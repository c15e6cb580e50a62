// Package digest is the server's side of HTTP Digest authentication as SIP
// uses it (RFC 7616, RFC 2617, RFC 8760; RFC 3261 §22.4): challenges, the check
// of credentials, and protection against replay. It keeps no state per phone:
// a nonce tells its own age and says where its use is counted. It knows no
// DNs: the caller brings the ha1.
package digest

import "github.com/sipcluster/sipcluster/sip/message"

// Credentials are the parameters of an Authorization header, quotes removed.
// They are parts of the header's value.
type Credentials struct {
	Username, Realm, Nonce, URI, Response []byte
	Algorithm, CNonce, QOP, NC            []byte
}

// Parse reads the value of an Authorization header. It is false for another
// scheme, for bad syntax, and when a needed parameter is missing.
func (c *Credentials) Parse(v []byte) bool {
	*c = Credentials{}
	if len(v) < 7 || !message.EqualFold(v[:6], "digest") || v[6] != ' ' && v[6] != '\t' {
		return false
	}
	v = v[7:]
	for {
		for len(v) > 0 && (v[0] == ' ' || v[0] == '\t' || v[0] == ',') {
			v = v[1:]
		}
		if len(v) == 0 {
			break
		}
		name, value, rest, ok := param(v)
		if !ok {
			return false
		}
		if p := c.field(name); p != nil {
			if value == nil || *p != nil {
				return false
			}
			*p = value
		}
		v = rest
	}
	return c.Username != nil && c.Realm != nil && c.Nonce != nil && c.URI != nil && c.Response != nil
}

// param cuts a parameter off the list. A quoted value loses its quotes and keeps its
// escapes, over which both sides hash (RFC 7616 §3.4, unq); value is nil when there is none.
func param(v []byte) (name, value, rest []byte, ok bool) {
	i := wordLen(v, '=')
	name, v = v[:i], skipSpace(v[i:])
	if len(v) == 0 || v[0] != '=' {
		return name, nil, v, i > 0
	}
	v = skipSpace(v[1:])
	if len(v) == 0 || v[0] != '"' {
		if n := wordLen(v, ','); n > 0 {
			value = v[:n:n]
		}
		return name, value, v[len(value):], i > 0
	}
	n := message.Quoted(v)
	if n < 0 {
		return nil, nil, nil, false
	}
	return name, v[1 : n-1 : n-1], v[n:], i > 0
}

// wordLen is where a word ends: at a comma, a space, or the sign.
func wordLen(v []byte, sign byte) int {
	for i, c := range v {
		if c == ',' || c == sign || c == ' ' || c == '\t' {
			return i
		}
	}
	return len(v)
}

func skipSpace(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	return v
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
