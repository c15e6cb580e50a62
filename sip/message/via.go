package message

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// Hop is one entry of the Via list (RFC 3261 §20.42).
type Hop struct {
	Transport  []byte
	Host, Port []byte
	Params     []byte
}

// ParseVia reads one entry.
func ParseVia(v []byte) (h Hop, ok bool) {
	if text, as := bytes.CutPrefix(v, []byte("SIP/2.0/")); as { // as nearly everybody writes it
		v = Trim(text)
	} else {
		proto, rest := word(v)
		version, rest := word(rest)
		if !EqualFold(proto, "SIP") || string(version) != "2.0" {
			return h, false
		}
		v = Trim(rest)
	}
	i := space(v)
	if i < 0 {
		return h, false
	}
	h.Transport, v = v[:i], Trim(v[i:])
	sentBy := v
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		sentBy, h.Params = Trim(v[:i]), v[i:]
	}
	end := bytes.LastIndexByte(sentBy, ']') + 1
	if i := bytes.IndexByte(sentBy[end:], ':'); i >= 0 {
		h.Host, h.Port = Trim(sentBy[:end+i]), Trim(sentBy[end+i+1:])
		if n, ok := decimal(h.Port, 65535); !ok || n == 0 {
			return h, false
		}
	} else {
		h.Host = sentBy
	}
	return h, IsToken(h.Transport) && validHost(h.Host) && validParams(h.Params)
}

// word cuts off what stands before the next slash.
func word(v []byte) (w, rest []byte) {
	i := bytes.IndexByte(v, '/')
	if i < 0 {
		return Trim(v), nil
	}
	return Trim(v[:i]), v[i+1:]
}

// space finds the first space or tab.
func space(v []byte) int {
	for i, c := range v {
		if c == ' ' || c == '\t' {
			return i
		}
	}
	return -1
}

// TopVia reads the first entry of the Via list.
func (m *Message) TopVia() (Hop, bool) {
	if m.topIs == topUnread {
		one, _ := NextElement(m.Get(Via))
		h, ok := ParseVia(one)
		m.top, m.topIs = h, topBad
		if ok {
			m.topIs = topGood
		}
	}
	return m.top, m.topIs == topGood
}

// AppendTo writes the entry tidily. With a source it is the top one of a request
// that came from there: received and rport are filled in (RFC 3261 §18.2.1,
// RFC 3581 §4); a received of the sender's own is dropped. An entry without a
// branch gets the given one; nil gives none.
func (h *Hop) AppendTo(dst []byte, source netip.AddrPort, branch []byte) []byte {
	dst = append(dst, "SIP/2.0/"...)
	dst = append(dst, h.Transport...)
	dst = append(dst, ' ')
	dst = append(dst, h.Host...)
	if len(h.Port) > 0 {
		dst = append(dst, ':')
		dst = append(dst, h.Port...)
	}
	rport := false
	for p := h.Params; len(p) > 0; {
		name, value, rest, ok := NextParam(p)
		if !ok {
			break
		}
		p = rest
		if source.IsValid() {
			if EqualFold(name, "received") {
				continue
			}
			if EqualFold(name, "rport") {
				rport = true
				continue
			}
		}
		if EqualFold(name, "branch") {
			branch = nil
		}
		dst = appendParam(dst, name, value)
	}
	if branch != nil {
		dst = appendParam(dst, []byte("branch"), branch)
	}
	return h.appendSource(dst, source, rport)
}

// Mapped tells whether the request of this top entry came from elsewhere than its sender
// says, who wants his answers there (RFC 3581): there is a NAT between.
func (h *Hop) Mapped(source netip.AddrPort) bool {
	if _, asked := Param(h.Params, "rport"); !asked {
		return false
	}
	if port, ok := h.port(); ok && port == source.Port() && sameHost(h.Host, source.Addr()) {
		return false
	}
	u := URI{Host: h.Host, Port: h.Port}
	said, ok := u.AddrPort()
	if ok && said.Port() == 0 {
		said = netip.AddrPortFrom(said.Addr(), 5060)
	}
	return !ok || said != netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
}

func (h *Hop) appendSource(dst []byte, source netip.AddrPort, rport bool) []byte {
	if !source.IsValid() {
		return dst
	}
	if rport {
		dst = append(dst, ";rport="...)
		dst = strconv.AppendUint(dst, uint64(source.Port()), 10)
	}
	if rport || !sameHost(h.Host, source.Addr()) {
		dst = append(dst, ";received="...)
		dst = source.Addr().Unmap().AppendTo(dst)
	}
	return dst
}

func sameHost(host []byte, a netip.Addr) bool {
	var buf [48]byte
	return bytes.Equal(bytes.Trim(host, "[]"), a.Unmap().AppendTo(buf[:0]))
}

// appendParam writes ";name=value", the name in lower case.
func appendParam(dst, name, value []byte) []byte {
	dst = append(dst, ';')
	for _, c := range name {
		dst = append(dst, lower(c))
	}
	if value != nil {
		dst = append(dst, '=')
		dst = append(dst, value...)
	}
	return dst
}

// port is where the sender takes answers.
func (h *Hop) port() (uint16, bool) {
	if len(h.Port) == 0 {
		return 5060, true
	}
	n, ok := decimal(h.Port, 65535)
	return uint16(n), ok
}

// ReplyTo is where the response to a request with this top Via goes when it
// came as a datagram (RFC 3261 §18.2.2, RFC 3581 §4).
func (h *Hop) ReplyTo() (netip.AddrPort, bool) {
	host, port := bytes.Trim(h.Host, "[]"), h.Port
	if v, ok := Param(h.Params, "received"); ok {
		host = v
	}
	if v, ok := Param(h.Params, "rport"); ok && len(v) > 0 {
		port = v
	}
	addr, err := netip.ParseAddr(string(host))
	n, ok := decimal(port, 65535)
	if len(port) == 0 {
		n, ok = 5060, true
	}
	return netip.AddrPortFrom(addr, uint16(n)), err == nil && ok
}

// MagicCookie begins the branches that RFC 3261 §8.1.1.7 calls for.
const MagicCookie = "z9hG4bK"

// AnswerTo is where the answer to a datagram goes (RFC 3261 §18.2.2, RFC 3581
// §4): its source, but the port of the Via when that asks for no rport.
func (m *Message) AnswerTo(source netip.AddrPort) netip.AddrPort {
	hop, ok := m.TopVia()
	if !ok {
		return source
	}
	return hop.AnswerTo(source)
}

// AnswerTo is where the answer to a datagram goes that came from the source.
func (h *Hop) AnswerTo(source netip.AddrPort) netip.AddrPort {
	if _, rport := Param(h.Params, "rport"); rport {
		return source
	}
	port := uint64(5060)
	if len(h.Port) > 0 {
		port, _ = strconv.ParseUint(string(h.Port), 10, 16)
	}
	return netip.AddrPortFrom(source.Addr(), uint16(port))
}

// mask begins a value that is a quoted string in truth.
const mask = "~quoted~"

// Masked are parameters with tokens in place of quoted strings, in which the stack behind
// us loses its way. Unmasked gives what was there.
func Masked(params []byte) []byte {
	if bytes.IndexByte(params, '"') < 0 && !bytes.Contains(params, []byte(mask)) {
		return params
	}
	var masked []byte
	for p := params; len(p) > 0; {
		name, value, rest, ok := NextParam(p)
		if !ok {
			break
		}
		if bytes.HasPrefix(value, []byte{'"'}) || bytes.HasPrefix(value, []byte(mask)) {
			value = hex.AppendEncode([]byte(mask), value)
		}
		masked, p = appendParam(masked, name, value), rest
	}
	return masked
}

// Unmasked is the value of a parameter of Masked as it was.
func Unmasked(value string) string {
	if text, is := strings.CutPrefix(value, mask); is {
		if was, err := hex.DecodeString(text); err == nil {
			return string(was)
		}
	}
	return value
}
