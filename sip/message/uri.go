package message

import (
	"bytes"
	"net/netip"
	"strconv"
)

// URI is a SIP URI (RFC 3261 §19.1). Of another scheme only Scheme and Rest are set.
type URI struct {
	Scheme []byte
	// Rest is everything behind the scheme's colon.
	Rest []byte
	// User is empty when there is no '@'; a password is kept with it.
	User []byte
	// Host as written, brackets of an IPv6 address included.
	Host []byte
	// Port as written; empty when there is none.
	Port    []byte
	Params  []byte
	Headers []byte
}

// IsSIP tells sip and sips from other schemes.
func (u *URI) IsSIP() bool { return EqualFold(u.Scheme, "sip") || EqualFold(u.Scheme, "sips") }

// Name is the user part without a password.
func (u *URI) Name() []byte {
	if i := bytes.IndexByte(u.User, ':'); i >= 0 {
		return u.User[:i]
	}
	return u.User
}

// URIHeader is the value of a header in those of a URI, as it is in a message
// (RFC 3261 §19.1.1); nil without one. The name is in lower case.
func URIHeader(headers []byte, name string) []byte {
	for len(headers) > 0 {
		var n, v []byte
		if n, v, headers = nextURIHeader(headers); EqualFold(AppendUnescaped(nil, n), name) {
			return AppendUnescaped(nil, v)
		}
	}
	return nil
}

// nextURIHeader cuts the first header off those of a URI, with what is in front of it.
func nextURIHeader(headers []byte) (name, value, rest []byte) {
	headers = headers[1:] // '?' or '&'
	end := bytes.IndexByte(headers, '&')
	if end < 0 {
		end = len(headers)
	}
	name, rest = headers[:end], headers[end:]
	if i := bytes.IndexByte(name, '='); i >= 0 {
		name, value = name[:i], name[i+1:]
	}
	return name, value, rest
}

// IsSecure tells whether a URI is one of sips, without reading it.
func IsSecure(uri []byte) bool {
	i := bytes.IndexByte(uri, ':')
	return i == 4 && EqualFold(uri[:i], "sips")
}

// IsSIP tells whether a URI is one of sip or sips, without reading it.
func IsSIP(uri []byte) bool {
	i := bytes.IndexByte(uri, ':')
	return i > 0 && (EqualFold(uri[:i], "sip") || EqualFold(uri[:i], "sips"))
}

// ParseURI reads a URI. For sip and sips it must be well formed as far as
// delivering to it needs; for others there must be a scheme.
func ParseURI(b []byte) (u URI, ok bool) {
	i := schemeLen(b)
	if i <= 0 {
		return u, false
	}
	u.Scheme, u.Rest = b[:i], b[i+1:]
	at := -1 // an '@' behind the host would need escaping, so the last one counts
	for i, c := range u.Rest {
		if classes[c]&outURI != 0 {
			return u, false
		}
		if c == '@' {
			at = i
		}
	}
	if !u.IsSIP() {
		return u, len(u.Rest) > 0
	}
	rest := u.Rest[at+1:]
	if at == 0 {
		return u, false
	} else if at > 0 {
		u.User = u.Rest[:at]
	}
	if i := bytes.IndexByte(rest, '?'); i >= 0 {
		rest, u.Headers = rest[:i], rest[i:]
	}
	if i := bytes.IndexByte(rest, ';'); i >= 0 {
		rest, u.Params = rest[:i], rest[i:]
	}
	ok = u.hostPort(rest) // it writes to u, and the order within a return is nobody's promise
	return u, ok
}

// RequestURI is a URI as it may be in a request line: without headers, and without what
// says by which method to call it (RFC 3261 §19.1.1). It may be the one that is given.
func RequestURI(uri []byte) []byte {
	headers := bytes.IndexByte(uri, '?') >= 0
	if !headers && !containsFold(uri, ";method") {
		return uri
	}
	u, ok := ParseURI(uri)
	if !ok || !u.IsSIP() {
		return uri
	}
	uri = uri[:len(uri)-len(u.Headers)]
	clean := append([]byte(nil), uri[:len(uri)-len(u.Params)]...)
	for p := u.Params; len(p) > 0; {
		name, _, rest, ok := NextParam(p)
		if !ok {
			break
		}
		if !EqualFold(name, "method") {
			clean = append(clean, p[:len(p)-len(rest)]...)
		}
		p = rest
	}
	return clean
}

// containsFold tells whether the text is in b, whatever its case.
func containsFold(b []byte, text string) bool {
	for i := 0; i+len(text) <= len(b); i++ {
		if lower(b[i]) == lower(text[0]) && EqualFold(b[i:i+len(text)], text) {
			return true
		}
	}
	return false
}

// schemeLen is the length of the scheme that a URI begins with; 0 when it begins with none.
func schemeLen(b []byte) int {
	for i, c := range b {
		switch {
		case c == ':' && letters.all(b[:min(i, 1)]):
			return i
		case classes[c]&inScheme == 0:
			return 0
		}
	}
	return 0
}

func (u *URI) hostPort(b []byte) bool {
	end := bytes.LastIndexByte(b, ']') + 1
	if i := bytes.IndexByte(b[end:], ':'); i >= 0 {
		u.Host, u.Port = b[:end+i], b[end+i+1:]
		if n, ok := decimal(u.Port, 65535); !ok || n == 0 {
			return false
		}
	} else {
		u.Host = b
	}
	return validHost(u.Host)
}

func validHost(h []byte) bool {
	if len(h) > 2 && h[0] == '[' {
		h = h[1 : len(h)-1]
		return inSix.all(h)
	}
	return len(h) > 0 && inHost.all(h)
}

// EqualURI compares two URIs by RFC 3261 §19.1.4, those of other schemes by
// their bytes.
func EqualURI(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, ok := ParseURI(a)
	if !ok || !x.IsSIP() {
		return false
	}
	y, ok := ParseURI(b)
	if !ok || !bytes.EqualFold(x.Scheme, y.Scheme) {
		return false
	}
	return equalEscaped(x.User, y.User, false) && bytes.EqualFold(x.Host, y.Host) && bytes.Equal(x.Port, y.Port) &&
		paramsCover(x.Params, y.Params) && paramsCover(y.Params, x.Params) && equalHeaders(x.Headers, y.Headers)
}

// paramsCover tells whether what must be equal in both lists is: a parameter
// in both; user, ttl, method, maddr and transport also when only a has it.
func paramsCover(a, b []byte) bool {
	for len(a) > 0 {
		name, value, rest, ok := NextParam(a)
		if !ok {
			return false
		}
		other, found := Param(b, string(name))
		switch {
		case found && !equalEscaped(value, other, true):
			return false
		case !found && alwaysCompared(name):
			return false
		}
		a = rest
	}
	return true
}

func alwaysCompared(name []byte) bool {
	return EqualFold(name, "user") || EqualFold(name, "ttl") || EqualFold(name, "method") || EqualFold(name, "maddr") || EqualFold(name, "transport")
}

// equalHeaders compares URI headers, which may stand in any order: each of either is in
// the other.
func equalHeaders(a, b []byte) bool { return headersCover(a, b) && headersCover(b, a) }

func headersCover(a, b []byte) bool {
	for len(a) > 0 {
		var name, value []byte
		name, value, a = nextURIHeader(a)
		if !hasHeader(b, name, value) {
			return false
		}
	}
	return true
}

func hasHeader(headers, name, value []byte) bool {
	for len(headers) > 0 {
		var n, v []byte
		n, v, headers = nextURIHeader(headers)
		if equalEscaped(n, name, true) && equalEscaped(v, value, false) {
			return true
		}
	}
	return false
}

// equalEscaped compares with %HH taken for the character it stands for.
func equalEscaped(a, b []byte, fold bool) bool {
	for len(a) > 0 && len(b) > 0 {
		x, n := unescape(a)
		y, m := unescape(b)
		if x != y && (!fold || lower(x) != lower(y)) {
			return false
		}
		a, b = a[n:], b[m:]
	}
	return len(a) == len(b)
}

func unescape(b []byte) (c byte, n int) {
	if b[0] == '%' && len(b) >= 3 {
		hi, ok1 := hexDigit(b[1])
		lo, ok2 := hexDigit(b[2])
		if ok1 && ok2 {
			return hi<<4 | lo, 3
		}
	}
	return b[0], 1
}

func hexDigit(c byte) (byte, bool) {
	switch c = lower(c); {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// AppendUnescaped appends the user part with %HH replaced.
func AppendUnescaped(dst, user []byte) []byte {
	for len(user) > 0 {
		c, n := unescape(user)
		dst, user = append(dst, c), user[n:]
	}
	return dst
}

// IsIP recognises IPv4 addresses and bracketed IPv6 addresses by their characters.
func IsIP(host []byte) bool {
	if len(host) > 2 && host[0] == '[' {
		return true
	}
	dots := 0
	for _, c := range host {
		switch {
		case c == '.':
			dots++
		case c < '0' || c > '9':
			return false
		}
	}
	return dots == 3
}

// IsNowhere recognises a host that nobody has (RFC 2606): browsers make one up for their
// Contact (RFC 7118 §5.4).
func IsNowhere(host []byte) bool {
	const nowhere = ".invalid"
	n := len(host) - len(nowhere)
	return n > 0 && EqualFold(host[n:], nowhere)
}

// AddrPort is the address of a URI whose host is one.
func (u *URI) AddrPort() (netip.AddrPort, bool) {
	if !IsIP(u.Host) {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(string(bytes.Trim(u.Host, "[]")))
	if err != nil {
		return netip.AddrPort{}, false
	}
	port := uint64(5060)
	if len(u.Port) > 0 {
		port, err = strconv.ParseUint(string(u.Port), 10, 16)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), err == nil
}
