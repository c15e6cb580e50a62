package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Algorithm is the hash of a challenge (RFC 8760).
type Algorithm uint8

// The algorithms.
const (
	MD5 Algorithm = iota
	SHA256
)

// String is the algorithm's name in a header.
func (a Algorithm) String() string {
	if a == SHA256 {
		return "SHA-256"
	}
	return "MD5"
}

// maxHashed bounds what is hashed for one check.
const maxHashed = 1024

// appendHash appends the hash of data in lower-case hex.
func (a Algorithm) appendHash(dst, data []byte) []byte {
	if a == SHA256 {
		sum := sha256.Sum256(data)
		return hex.AppendEncode(dst, sum[:])
	}
	sum := md5.Sum(data)
	return hex.AppendEncode(dst, sum[:])
}

// fits tells whether the response is of the algorithm a, and not more would have to
// be hashed than one needs to.
func (c *Credentials) fits(a Algorithm, method []byte, ha1 string) bool {
	named := MD5
	if message.EqualFold(c.Algorithm, "sha-256") {
		named = SHA256
	} else if c.Algorithm != nil && !message.EqualFold(c.Algorithm, "md5") {
		return false
	}
	hashed := len(c.URI) + len(c.Nonce) + len(c.CNonce)
	if w := c.written; w != nil {
		hashed = len(w.uri) + len(w.nonce) + len(w.cnonce)
	}
	return named == a && hashed+len(ha1) <= maxHashed-256 && len(method) <= 64
}

// matches tells whether the response is right, hashed over what the parameters stand for
// or over how they are written.
func (c *Credentials) matches(a Algorithm, method []byte, ha1 string) bool {
	switch {
	case c.match(a, method, ha1):
		return true
	case c.written == nil:
		return false
	}
	w := *c
	w.Nonce, w.URI, w.CNonce = c.written.nonce, c.written.uri, c.written.cnonce
	return w.match(a, method, ha1)
}

// match computes the response (RFC 7616 §3.4.1) of what fits and compares it in
// constant time.
func (c *Credentials) match(a Algorithm, method []byte, ha1 string) bool {
	var buf [maxHashed]byte
	b := append(append(append(buf[:0], method...), ':'), c.URI...)
	var ha2 [64]byte
	h2 := a.appendHash(ha2[:0], b)
	b = append(append(append(append(buf[:0], ha1...), ':'), c.Nonce...), ':')
	if c.QOP != nil {
		b = append(append(b, c.NC...), ':')
		b = append(append(b, c.CNonce...), ':')
		b = append(append(b, c.QOP...), ':')
	}
	b = append(b, h2...)
	var want [64]byte
	w := a.appendHash(want[:0], b)
	if len(c.Response) != len(w) {
		return false
	}
	var got [64]byte
	for i, ch := range c.Response {
		if 'A' <= ch && ch <= 'F' {
			ch += 'a' - 'A'
		}
		got[i] = ch
	}
	return subtle.ConstantTimeCompare(got[:len(w)], w) == 1
}
