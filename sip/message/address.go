package message

import "bytes"

// Address is a name-addr or addr-spec with its header parameters (RFC 3261 §20.10).
type Address struct {
	// Display is the display name as written, quotes included.
	Display []byte
	URI     []byte
	// Params are the header parameters as written, the first ';' included.
	Params []byte
}

// ParseAddress reads a From, To, or one Contact, Route or Path entry. Strict
// where a lenient reading could change the meaning, lenient elsewhere.
func ParseAddress(v []byte) (a Address, ok bool) {
	v = Trim(v)
	if len(v) > 0 && v[0] == '"' {
		n := Quoted(v)
		if n < 0 {
			return a, false
		}
		a.Display, v = v[:n], Trim(v[n:])
		if len(v) == 0 || v[0] != '<' {
			return a, false
		}
	}
	if i := bytes.IndexByte(v, '<'); i >= 0 && !outFront.any(v[:i]) { // else it is in a parameter
		return a.bracketed(v, i)
	}
	// Without brackets a parameter belongs to the header, and ',' and '?' must
	// not occur (RFC 3261 §20).
	a.URI = v
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		a.URI, a.Params = Trim(v[:i]), v[i:]
	}
	return a, bytes.IndexByte(a.URI, ':') > 0 && !outBare.any(a.URI) && validParams(a.Params)
}

func (a Address) bracketed(v []byte, i int) (Address, bool) {
	if a.Display == nil {
		a.Display = Trim(v[:i])
		if outName.any(a.Display) {
			return a, false
		}
	}
	v = v[i+1:]
	j := bytes.IndexByte(v, '>')
	if j < 0 {
		return a, false
	}
	a.URI, a.Params = v[:j], Trim(v[j+1:])
	return a, bytes.IndexByte(a.URI, ':') > 0 && !outAddress.any(a.URI) && validParams(a.Params)
}

// AppendQuoted appends a text as a quoted string: UTF-8, with a backslash before quotes and
// backslashes (RFC 3261 §25.1). It must have no control characters.
func AppendQuoted(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		if text[i] == '"' || text[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, text[i])
	}
	return append(dst, '"')
}

// Allows tells whether who sent the message takes requests of a method: as its Allow
// headers say (RFC 3261 §20.5), or when there are none.
func (m *Message) Allows(method string) bool {
	says := false
	for i := range m.Headers {
		h := &m.Headers[i]
		if !h.Is("allow") {
			continue
		}
		if says = true; HasOption([][]byte{h.Value}, method) {
			return true
		}
	}
	return !says
}

// ContactURI is the URI at which who sent the message is reached (RFC 3261 §8.1.1.8), as a
// request goes there; one that leads nowhere when the message has none.
func (m *Message) ContactURI() []byte {
	if contact, _ := NextElement(m.Get(Contact)); len(contact) > 0 {
		if a, ok := ParseAddress(contact); ok {
			return RequestURI(a.URI)
		}
	}
	return []byte("sip:unknown.invalid")
}
