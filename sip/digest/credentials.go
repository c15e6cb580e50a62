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
			if *p != nil {
				return false
			}
			*p = value
		}
		v = rest
	}
	return c.Username != nil && c.Realm != nil && c.Nonce != nil && c.URI != nil && c.Response != nil
}

// param cuts name=value off the list; a quoted value loses its quotes.
func param(v []byte) (name, value, rest []byte, ok bool) {
	i := bytes.IndexByte(v, '=')
	if i <= 0 {
		return nil, nil, nil, false
	}
	name, v = v[:i], v[i+1:]
	for n := len(name); n > 0 && isSpace(name[n-1]); n = len(name) {
		name = name[:n-1]
	}
	for len(v) > 0 && isSpace(v[0]) {
		v = v[1:]
	}
	if len(v) > 0 && v[0] == '"' {
		for i = 1; i < len(v) && v[i] != '"'; i++ {
			if v[i] == '\\' {
				return nil, nil, nil, false // none of our values needs an escape
			}
		}
		if i == len(v) {
			return nil, nil, nil, false
		}
		return name, v[1:i:i], v[i+1:], true
	}
	for i = 0; i < len(v) && v[i] != ',' && v[i] != ' ' && v[i] != '\t'; i++ {
	}
	return name, v[:i:i], v[i:], i > 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

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
