package message

import (
	"hash/fnv"
	"net/netip"
	"strconv"
)

// AppendTidy writes the message as the stack behind us can read it: header
// lines unfolded, names long, no white space where it has been seen to corrupt
// a header, parameter names in lower case, no quoted string in a Via (Masked), the length
// right. source is where
// a request came from. With origin it is told in an Origin header too.
func (m *Message) AppendTidy(dst []byte, source netip.AddrPort, origin bool) []byte {
	if m.IsRequest() {
		dst = append(dst, m.Method...)
		dst = append(dst, ' ')
		dst = append(dst, m.URI...)
		dst = append(dst, " SIP/2.0\r\n"...)
		dst = m.appendVias(dst, source, m.branchIfMissing(), Masked)
	} else {
		dst = append(dst, "SIP/2.0 "...)
		dst = strconv.AppendInt(dst, int64(m.Status), 10)
		dst = append(dst, ' ')
		dst = append(dst, m.Reason...)
		dst = append(dst, "\r\n"...)
		source = netip.AddrPort{}
		dst = m.appendVias(dst, source, nil, Masked)
	}
	for i := range m.Headers {
		switch h := &m.Headers[i]; h.Kind {
		case Via, ContentLength, Origin:
		case From, To:
			dst = appendAddress(dst, h)
		case Other:
			dst = appendLine(dst, string(h.Name), h.Value)
		default:
			dst = appendLine(dst, h.Kind.String(), h.Value)
		}
	}
	if origin && source.IsValid() {
		dst = append(dst, OriginName+": "...)
		dst = source.AppendTo(dst)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(m.Body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, m.Body...)
}

func (m *Message) branchIfMissing() []byte {
	if hop, ok := m.TopVia(); ok {
		if _, found := Param(hop.Params, "branch"); !found {
			return m.oldBranch()
		}
	}
	return nil
}

// oldBranch makes up for the branch that RFC 2543 did not know: the same for
// the same request (RFC 3261 §17.2.3).
func (m *Message) oldBranch() []byte {
	h := fnv.New64a()
	for _, part := range [...][]byte{m.URI, m.Get(Via), m.Get(From), m.Get(To), m.Get(CallID), m.Get(CSeq)} {
		h.Write(part)
		h.Write(crlf)
	}
	return strconv.AppendUint([]byte(MagicCookie+"2543-"), h.Sum64(), 16)
}

// appendVias writes the Via list; source and branch are for the top entry. The parameters
// go through change, unless it is nil.
func (m *Message) appendVias(dst []byte, source netip.AddrPort, branch []byte, change func(params []byte) []byte) []byte {
	for v := range m.All(Via) {
		for rest := v; ; {
			var one []byte
			one, rest = NextElement(rest)
			dst = append(dst, "Via: "...)
			if hop, ok := ParseVia(one); ok {
				if change != nil {
					hop.Params = change(hop.Params)
				}
				dst = hop.AppendTo(dst, source, branch)
			} else {
				dst = append(dst, one...)
			}
			dst = append(dst, "\r\n"...)
			source, branch = netip.AddrPort{}, nil
			if rest == nil {
				break
			}
		}
	}
	return dst
}

func appendLine(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

func appendAddress(dst []byte, h *Header) []byte {
	a, ok := ParseAddress(h.Value)
	if !ok {
		return appendLine(dst, h.Kind.String(), h.Value)
	}
	dst = append(dst, h.Kind.String()...)
	dst = append(dst, ": "...)
	if len(a.Display) > 0 {
		dst = append(dst, a.Display...)
		dst = append(dst, ' ')
	}
	dst = append(dst, '<')
	dst = append(dst, a.URI...)
	dst = append(dst, '>')
	for p := a.Params; len(p) > 0; {
		name, value, rest, ok := NextParam(p)
		if !ok {
			break
		}
		dst, p = appendParam(dst, name, value), rest
	}
	return append(dst, "\r\n"...)
}

// Answer is a response to a request (RFC 3261 §8.2.6).
type Answer struct {
	Code   int
	Reason string
	// ToTag is added to a To that has none.
	ToTag []byte
	// Lines are further header lines, each with its CRLF.
	Lines []byte
}

// AppendAnswer writes the response to a request, however broken that is: what
// there is of Via, From, To, Call-ID and CSeq goes back.
func (m *Message) AppendAnswer(dst []byte, source netip.AddrPort, a *Answer) []byte {
	dst = append(dst, "SIP/2.0 "...)
	dst = strconv.AppendInt(dst, int64(a.Code), 10)
	dst = append(dst, ' ')
	dst = append(dst, a.Reason...)
	dst = append(dst, "\r\n"...)
	dst = m.appendVias(dst, source, nil, nil)
	for _, k := range [...]Kind{From, To, CallID, CSeq} {
		v := m.Get(k)
		if v == nil {
			continue
		}
		dst = append(dst, k.String()...)
		dst = append(dst, ": "...)
		dst = append(dst, v...)
		if k == To && len(a.ToTag) > 0 && !hasTag(v) {
			dst = append(dst, ";tag="...)
			dst = append(dst, a.ToTag...)
		}
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, a.Lines...)
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

func hasTag(v []byte) bool {
	a, ok := ParseAddress(v)
	if !ok {
		return true // nobody knows where a tag would belong
	}
	_, found := Param(a.Params, "tag")
	return found
}
