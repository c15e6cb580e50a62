package message

import "bytes"

// maxCSeq is the greatest sequence number (RFC 3261 §8.1.1.5).
const maxCSeq = 1<<31 - 1

// validate checks what every request needs before anybody may act on it
// (RFC 3261 §8.1.1 and §8.2.2, RFC 4475 §3.1.2).
func (m *Message) validate() {
	_, called := ParseCalled(m.URI)
	if called != nil && called.Code == 400 {
		m.fault(called.Code, called.Reason)
	}
	m.validateSingle()
	m.validateVias()
	m.validateNumbers()
	m.validateAddresses()
	// Only a well-formed request gets the answer about its scheme.
	if called != nil && m.Fault == nil {
		m.Fault = called
	}
}

// ParseCalled reads what may be called: the URI of a request; otherwise the answer says why
// it can't be one.
func ParseCalled(uri []byte) (URI, *Fault) {
	u, ok := ParseURI(uri)
	switch {
	case !ok:
		return u, &Fault{Code: 400, Reason: "Bad Request-URI"}
	case u.IsSIP() && len(u.Headers) > 0:
		return u, &Fault{Code: 400, Reason: "Request-URI with headers"}
	case !u.IsSIP() && !EqualFold(u.Scheme, "tel"):
		return u, &Fault{Code: 416, Reason: "Unsupported URI Scheme"}
	}
	return u, nil
}

func (m *Message) validateSingle() {
	var seen [kinds]bool
	for _, h := range m.Headers {
		if seen[h.Kind] && h.Kind.single() {
			m.fault(400, "More than one "+h.Kind.String())
		}
		seen[h.Kind] = true
	}
	for _, k := range [...]Kind{Via, From, To, CallID, CSeq} {
		if !seen[k] {
			m.fault(400, "Missing "+k.String())
		}
	}
	if len(m.Get(CallID)) == 0 || space(m.Get(CallID)) >= 0 {
		m.fault(400, "Bad Call-ID")
	}
}

func (m *Message) validateVias() {
	for v := range m.All(Via) {
		for rest := v; ; {
			var one []byte
			one, rest = NextElement(rest)
			hop, ok := ParseVia(one)
			if !ok {
				m.fault(400, "Bad Via")
				return
			}
			if m.topIs == topUnread {
				m.top, m.topIs = hop, topGood
			}
			if branch, _ := Param(hop.Params, "branch"); string(branch) == MagicCookie {
				m.fault(400, "Via branch without transaction id")
				return
			}
			if rest == nil {
				break
			}
		}
	}
}

func (m *Message) validateNumbers() {
	if _, method, ok := ParseCSeq(m.Get(CSeq)); !ok {
		m.fault(400, "Bad CSeq")
	} else if !bytes.Equal(method, m.Method) {
		m.fault(400, "CSeq of another method")
	}
	if v := m.Get(MaxForwards); v != nil {
		if _, ok := decimal(v, 255); !ok {
			m.fault(400, "Bad Max-Forwards")
		}
	}
}

// ParseCSeq reads a CSeq: number and method.
func ParseCSeq(v []byte) (n uint32, method []byte, ok bool) {
	number, method := NextWord(v)
	d, ok := decimal(number, maxCSeq)
	return uint32(d), method, ok && IsToken(method)
}

func (m *Message) validateAddresses() {
	for i := range m.Headers {
		h := &m.Headers[i]
		switch h.Kind {
		case From, To:
			a, ok := ParseAddress(h.Value)
			if ok {
				_, ok = ParseURI(a.URI)
			}
			if !ok {
				m.fault(400, "Bad "+h.Kind.String())
			}
			if tag, found := Param(a.Params, "tag"); found && len(tag) == 0 {
				m.fault(400, "Empty tag in "+h.Kind.String())
			}
		case Contact, Route, RecordRoute, Path:
			if !validAddressList(h.Value, h.Kind == Contact) {
				m.fault(400, "Bad "+h.Kind.String())
			}
		}
	}
}

func validAddressList(v []byte, star bool) bool {
	if star && string(v) == "*" {
		return true
	}
	for one := range Elements(v) {
		a, ok := ParseAddress(one)
		if !ok {
			return false
		}
		if _, ok := ParseURI(a.URI); !ok {
			return false
		}
	}
	return true
}
