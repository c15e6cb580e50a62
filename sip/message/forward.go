package message

import "strconv"

// Changes are what a proxy changes of a message on its way (RFC 3261 §16.6 and
// §16.7). Everything else goes on as it came.
type Changes struct {
	// URI replaces the Request-URI; nil keeps it.
	URI []byte
	// Via goes on top of the list; nil adds none.
	Via []byte
	// PopVia takes the first entry of the Via list off.
	PopVia bool
	// Hops is the new Max-Forwards; below 0 the old one stays.
	Hops int
	// Routes replaces the Route list when Reroute is set.
	Routes  [][]byte
	Reroute bool
	// RecordRoutes go on top of that list.
	RecordRoutes [][]byte
	// From and To replace the values of those headers; nil keeps them.
	From, To []byte
	// CSeq is the new number in CSeq; 0 keeps it.
	CSeq uint32
	// Drop picks lines to leave out, of credentials and of headers that no Kind is for;
	// nil leaves none.
	Drop func(*Header) bool
	// Lines are further header lines, each with its CRLF.
	Lines []byte
}

// AppendForwarded writes a message without a fault, changed.
func (m *Message) AppendForwarded(dst []byte, c *Changes) []byte {
	dst = m.appendStart(dst, c.URI)
	if c.Via != nil {
		dst = appendLine(dst, "Via", c.Via)
	}
	dst = m.appendOldVias(dst, c.PopVia)
	dst = c.appendRoutes(dst)
	for i := range m.Headers {
		h := &m.Headers[i]
		switch h.Kind {
		case Via, ContentLength, Origin:
			continue
		case CSeq:
			if c.CSeq != 0 {
				dst = h.appendCSeq(dst, c.CSeq)
				continue
			}
		case From, To:
			if v := c.party(h.Kind); v != nil {
				dst = appendLine(dst, string(h.Name), v)
				continue
			}
		case MaxForwards, Route:
			if c.replaced(h.Kind) {
				continue
			}
		case Authorization, ProxyAuthorization, Other:
			if c.Drop != nil && c.Drop(h) {
				continue
			}
		}
		dst = append(dst, h.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, h.Value...)
		dst = append(dst, crlf...)
	}
	dst = append(dst, c.Lines...)
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(m.Body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, m.Body...)
}

// appendCSeq writes a CSeq line with another number.
func (h *Header) appendCSeq(dst []byte, n uint32) []byte {
	_, method, _ := ParseCSeq(h.Value)
	dst = strconv.AppendUint(append(dst, "CSeq: "...), uint64(n), 10)
	return append(append(append(dst, ' '), method...), crlf...)
}

// appendOldVias writes the Via list that was there: without its first entry, or
// with that telling the source of a request.
func (m *Message) appendOldVias(dst []byte, pop bool) []byte {
	first := true
	for i := range m.Headers {
		h := &m.Headers[i]
		if h.Kind != Via {
			continue
		}
		if !first || !pop && !m.Source.IsValid() {
			dst = appendLine(dst, "Via", h.Value)
			first = false
			continue
		}
		first = false
		_, rest := NextElement(h.Value)
		if top, ok := m.TopVia(); ok && !pop {
			dst = append(dst, "Via: "...)
			dst = top.AppendTo(dst, m.Source, m.branchIfMissing())
			dst = append(dst, crlf...)
		}
		if rest != nil {
			dst = appendLine(dst, "Via", Trim(rest))
		}
	}
	return dst
}

// party is the new value of a From or a To; nil keeps the old one.
func (c *Changes) party(k Kind) []byte {
	if k == From {
		return c.From
	}
	return c.To
}

func (c *Changes) replaced(k Kind) bool {
	return k == MaxForwards && c.Hops >= 0 || k == Route && c.Reroute
}

func (c *Changes) appendRoutes(dst []byte) []byte {
	if c.Reroute {
		for _, r := range c.Routes {
			dst = appendLine(dst, "Route", r)
		}
	}
	for _, r := range c.RecordRoutes {
		dst = appendLine(dst, "Record-Route", r)
	}
	if c.Hops >= 0 {
		dst = append(dst, "Max-Forwards: "...)
		dst = strconv.AppendInt(dst, int64(c.Hops), 10)
		dst = append(dst, crlf...)
	}
	return dst
}

func (m *Message) appendStart(dst, uri []byte) []byte {
	if !m.IsRequest() {
		dst = append(dst, "SIP/2.0 "...)
		dst = strconv.AppendInt(dst, int64(m.Status), 10)
		dst = append(dst, ' ')
		dst = append(dst, m.Reason...)
		return append(dst, crlf...)
	}
	if uri == nil {
		uri = m.URI
	}
	dst = append(dst, m.Method...)
	dst = append(dst, ' ')
	dst = append(dst, uri...)
	return append(dst, " SIP/2.0\r\n"...)
}

// AppendHopRequest writes the ACK of a failure (RFC 3261 §17.1.1.3) or the
// CANCEL (§9.1) of an INVITE that was sent; to is the To header's value, reasons those of
// its Reason headers (RFC 3326).
func (m *Message) AppendHopRequest(dst []byte, method string, to []byte, reasons ...[]byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, m.URI...)
	dst = append(dst, " SIP/2.0\r\n"...)
	dst = appendLine(dst, "Via", m.Get(Via))
	for r := range m.All(Route) {
		dst = appendLine(dst, "Route", r)
	}
	dst = append(dst, "Max-Forwards: 70\r\n"...)
	dst = appendLine(dst, "From", m.Get(From))
	dst = appendLine(dst, "To", to)
	dst = appendLine(dst, "Call-ID", m.Get(CallID))
	n, _, _ := ParseCSeq(m.Get(CSeq))
	dst = append(dst, "CSeq: "...)
	dst = strconv.AppendUint(dst, uint64(n), 10)
	dst = append(dst, ' ')
	dst = append(append(dst, method...), "\r\n"...)
	for _, r := range reasons {
		dst = appendLine(dst, "Reason", r)
	}
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

// Elements are the entries of all headers of the kind, in order.
func (m *Message) Elements(k Kind) (list [][]byte) {
	for v := range m.All(k) {
		for one := range Elements(v) {
			list = append(list, one)
		}
	}
	return list
}

// Tag is the tag of a From or To header; nil when it has none.
func (m *Message) Tag(k Kind) []byte { return TagOf(m.Get(k)) }

// TagOf is the tag of a From or To value; nil when it has none.
func TagOf(value []byte) []byte {
	a, ok := ParseAddress(value)
	if !ok {
		return nil
	}
	tag, _ := Param(a.Params, "tag")
	return tag
}
