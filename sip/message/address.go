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
	if i := bytes.IndexByte(v, '<'); i >= 0 {
		return a.bracketed(v, i)
	}
	// Without brackets a parameter belongs to the header, and ',' and '?' must
	// not occur (RFC 3261 §20).
	a.URI = v
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		a.URI, a.Params = Trim(v[:i]), v[i:]
	}
	return a, bytes.IndexByte(a.URI, ':') > 0 && !hasAny(a.URI, " \t,?<>\"") && validParams(a.Params)
}

func (a Address) bracketed(v []byte, i int) (Address, bool) {
	if a.Display == nil {
		a.Display = Trim(v[:i])
		if hasAny(a.Display, ",;<>\"") {
			return a, false
		}
	}
	v = v[i+1:]
	j := bytes.IndexByte(v, '>')
	if j < 0 {
		return a, false
	}
	a.URI, a.Params = v[:j], Trim(v[j+1:])
	return a, bytes.IndexByte(a.URI, ':') > 0 && !hasAny(a.URI, " \t<\"") && validParams(a.Params)
}

// hasAny tells whether one of the characters is in b.
func hasAny(b []byte, chars string) bool {
	for i := range len(chars) {
		if bytes.IndexByte(b, chars[i]) >= 0 {
			return true
		}
	}
	return false
}

// Quoted is the length of the quoted string at the start of v, -1 when it does not end.
func Quoted(v []byte) int {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func validParams(p []byte) bool {
	for len(p) > 0 {
		name, _, rest, ok := NextParam(p)
		if !ok || !IsToken(name) {
			return false
		}
		p = rest
	}
	return true
}

// NextParam cuts the first parameter off a list that starts with ';'. A value
// keeps its quotes; a parameter without value has a nil one.
func NextParam(p []byte) (name, value, rest []byte, ok bool) {
	p = Trim(p)
	if len(p) == 0 || p[0] != ';' {
		return nil, nil, nil, false
	}
	p = Trim(p[1:])
	i := 0
	for i < len(p) && p[i] != ';' && p[i] != '=' {
		i++
	}
	name, p = Trim(p[:i]), p[i:]
	if len(p) == 0 || p[0] == ';' {
		return name, nil, p, true
	}
	p = Trim(p[1:])
	if len(p) > 0 && p[0] == '"' {
		n := Quoted(p)
		if n < 0 {
			return nil, nil, nil, false
		}
		value, p = p[:n], Trim(p[n:])
		return name, value, p, len(p) == 0 || p[0] == ';'
	}
	i = bytes.IndexByte(p, ';')
	if i < 0 {
		i = len(p)
	}
	if value = Trim(p[:i]); value == nil {
		value = []byte{} // "name=" is not "name"
	}
	return name, value, p[i:], true
}

// Param returns the value of a parameter of the list.
func Param(p []byte, name string) (value []byte, found bool) {
	for len(p) > 0 {
		n, v, rest, ok := NextParam(p)
		if !ok {
			return nil, false
		}
		if EqualFold(n, name) {
			return v, true
		}
		p = rest
	}
	return nil, false
}

// NextElement cuts the first element off a comma-separated list: commas in
// quotes and in angle brackets do not count.
func NextElement(v []byte) (element, rest []byte) {
	if bytes.IndexByte(v, ',') < 0 {
		return Trim(v), nil
	}
	bracket := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"' && !bracket:
			n := Quoted(v[i:])
			if n < 0 {
				return Trim(v), nil
			}
			i += n - 1
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ',' && !bracket:
			return Trim(v[:i]), v[i+1:]
		}
	}
	return Trim(v), nil
}

// HasOption tells whether an option tag is in the values of a header that lists them.
func HasOption(lists [][]byte, option string) bool {
	for _, v := range lists {
		for tag := range bytes.SplitSeq(v, []byte(",")) {
			if EqualFold(bytes.TrimSpace(tag), option) {
				return true
			}
		}
	}
	return false
}

// Allows tells whether who sent the message takes requests of a method: as its Allow
// headers say (RFC 3261 §20.5), or when there are none.
func (m *Message) Allows(method string) bool {
	says := false
	for i := range m.Headers {
		h := &m.Headers[i]
		if h.Kind != Other || !EqualFold(h.Name, "allow") {
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
