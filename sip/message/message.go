// Package message reads SIP messages as text (RFC 3261 §7 and §25): start line,
// header lines, body. It finds out whether a message is well formed, keeps
// enough of one that is not to answer it, writes the tidy form that the SIP
// stack behind it can be trusted with, and writes answers. It knows neither
// sockets nor transactions nor what any method means.
//
// Package sip calls it for everything that arrives at the SIP port.
package message

import (
	"bytes"
	"fmt"
	"net/netip"
)

// Fault says why a request is refused before anybody looks at what it asks
// for: a status of RFC 3261 §21 and a reason phrase for a person.
type Fault struct {
	Code   int
	Reason string
}

func (f *Fault) Error() string { return fmt.Sprintf("%d %s", f.Code, f.Reason) }

// Header is one header line, unfolded, the white space around it removed.
type Header struct {
	Kind  Kind
	Name  []byte
	Value []byte
}

// Message is a parsed message. Its slices are parts of the buffer that was parsed.
type Message struct {
	// Method and URI of a request; empty in a response.
	Method, URI []byte
	// Status of a response; 0 in a request.
	Status  int
	Reason  []byte
	Headers []Header
	Body    []byte
	// Fault is the first thing that is wrong; nil when the message is well formed.
	Fault *Fault

	// Source is where a request came from when that is to be noted in its top
	// Via as it goes on or is answered (RFC 3261 §18.2.1, RFC 3581 §4).
	Source netip.AddrPort

	raw    []byte // all that was read
	stream bool
	// suspect: a control character may be in a header.
	suspect bool
	top     Hop // of the Via list, once it was asked for
	topIs   topState
}

type topState uint8

const (
	topUnread topState = iota
	topGood
	topBad
)

// Size is how many bytes were read.
func (m *Message) Size() int { return len(m.raw) }

// IsRequest tells a request, however broken, from a response.
func (m *Message) IsRequest() bool { return m.Status == 0 }

// AllNamed yields the values of all headers of a name, as for Is.
func (m *Message) AllNamed(name string) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for i := range m.Headers {
			if m.Headers[i].Is(name) && !yield(m.Headers[i].Value) {
				return
			}
		}
	}
}

// Get returns the first header of the kind, nil when there is none.
func (m *Message) Get(k Kind) []byte {
	for i := range m.Headers {
		if m.Headers[i].Kind == k {
			return m.Headers[i].Value
		}
	}
	return nil
}

// Named is the first value of a header that has no Kind; nil without one. The name is as
// for Is.
func (m *Message) Named(name string) []byte {
	for i := range m.Headers {
		if h := &m.Headers[i]; h.Is(name) {
			return h.Value
		}
	}
	return nil
}

// Has tells whether there is a header of the kind.
func (m *Message) Has(k Kind) bool {
	for i := range m.Headers {
		if m.Headers[i].Kind == k {
			return true
		}
	}
	return false
}

// All yields the values of all headers of the kind.
func (m *Message) All(k Kind) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for i := range m.Headers {
			if m.Headers[i].Kind == k && !yield(m.Headers[i].Value) {
				return
			}
		}
	}
}

func (m *Message) fault(code int, reason string) {
	if m.Fault == nil {
		m.Fault = &Fault{code, reason}
	}
}

// Parse reads one whole message: a datagram, or what Frame cut from a stream.
// It unfolds header lines in place, so it writes to data. A fault does not
// stop it: what can be found is found. The error says that data holds nothing
// that looks like SIP and that nobody can be answered.
func (m *Message) Parse(data []byte, stream bool) error {
	if err := m.read(data, stream); err != nil {
		return err
	}
	if m.Fault == nil && m.IsRequest() {
		m.validate()
	}
	return nil
}

// ParseTidy is Parse for what AppendTidy wrote of a message without a fault.
func (m *Message) ParseTidy(data []byte) error { return m.read(data, true) }

// Saved is the text of a message that was read.
type Saved struct {
	raw    []byte
	source netip.AddrPort
	stream bool
}

// Save copies the text that a message is part of.
func (m *Message) Save() Saved { return Saved{bytes.Clone(m.raw), m.Source, m.stream} }

// Read reads the message again. Its slices are parts of s.
func (s *Saved) Read(m *Message) {
	_ = m.read(s.raw, s.stream) // it was read before
	m.Source = s.source
}

// Clone copies a message with its text.
func (m *Message) Clone() *Message {
	s := m.Save()
	c := &Message{Headers: make([]Header, 0, len(m.Headers))}
	s.Read(c)
	return c
}

func (m *Message) read(data []byte, stream bool) error {
	*m = Message{Headers: m.Headers[:0], raw: data, stream: stream}
	for bytes.HasPrefix(data, crlf) {
		data = data[2:]
	}
	m.suspect = !clean(data)
	line, rest, ok := m.line(data)
	if !ok || !m.startLine(line) {
		m.Method, m.URI = nil, nil
		return errNotSIP
	}
	rest = m.headerLines(rest)
	m.body(rest, stream)
	return nil
}

// clean tells that no header holds a NUL or a CR of its own, provided that all
// lines end with CRLF.
func clean(data []byte) bool {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return false
	}
	head := data[:end]
	return bytes.IndexByte(head, 0) < 0 && bytes.Count(head, cr) == bytes.Count(head, lf)
}

const sip20 = "SIP/2.0"

var (
	cr, lf    = []byte("\r"), []byte("\n")
	crlf      = []byte("\r\n")
	errNotSIP = fmt.Errorf("not a SIP message")
)

// line cuts the first line off. Bare LF ends a line too, and is a fault.
func (m *Message) line(data []byte) (line, rest []byte, ok bool) {
	return m.lineTo(data, bytes.IndexByte(data, '\n'))
}

// lineTo is line where the first LF has been found; -1 for none.
func (m *Message) lineTo(data []byte, i int) (line, rest []byte, ok bool) {
	if i < 0 {
		m.fault(400, "Line without CRLF")
		return bytes.TrimRight(data, "\r"), nil, len(data) > 0
	}
	line, rest = data[:i], data[i+1:]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1], rest, true
	}
	m.fault(400, "Line ends with LF, not CRLF")
	return line, rest, true
}

// startLine reads a request line or a status line; false when it is neither.
func (m *Message) startLine(line []byte) bool {
	if hasPrefixFold(line, "SIP/") {
		return m.statusLine(line)
	}
	var buf [4][]byte
	words := fields(buf[:0], line)
	if len(words) < 2 || !IsToken(words[0]) {
		return false
	}
	m.Method, m.URI = words[0], words[1]
	last := words[len(words)-1]
	switch {
	case !hasPrefixFold(last, "SIP/"):
		// Nobody can tell it from noise unless the second word is a URI.
		if _, ok := ParseURI(words[1]); !ok {
			return false
		}
		m.fault(400, "Request line without SIP version")
	case !EqualFold(last, sip20):
		m.fault(505, "SIP Version Not Supported")
	case len(words) != 3 || len(line) != len(words[0])+len(words[1])+len(words[2])+2:
		m.fault(400, "White space in request line")
	}
	return true
}

func (m *Message) statusLine(line []byte) bool {
	version, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return false
	}
	digits, reason, _ := bytes.Cut(rest, []byte(" "))
	m.Status = -1
	code, ok := decimal(digits, 699) // there is no other class (RFC 3261 §7.2)
	if !ok || len(digits) != 3 || code < 100 || !EqualFold(version, sip20) {
		m.fault(400, "Bad status line")
		return true
	}
	m.Status, m.Reason = int(code), reason
	return true
}

// fields splits at white space, as bytes.Fields does, into a list that is given.
func fields(list [][]byte, line []byte) [][]byte {
	for len(line) > 0 {
		i := 0
		for i < len(line) && !isSpace(line[i]) {
			i++
		}
		if i > 0 {
			list = append(list, line[:i])
		} else {
			i = 1
		}
		line = line[i:]
	}
	return list
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// headerLines reads up to the empty line and returns what follows it.
func (m *Message) headerLines(data []byte) []byte {
	for {
		if len(data) == 0 {
			m.fault(400, "No empty line after the headers")
			return nil
		}
		field, end := data, bytes.IndexByte(data, '\n')
		if end >= 0 && end+1 < len(data) && (data[end+1] == ' ' || data[end+1] == '\t') {
			var bare bool
			if field, bare = unfold(data); bare {
				m.fault(400, "Line ends with LF, not CRLF")
			}
			end = bytes.IndexByte(field, '\n')
		}
		line, rest, _ := m.lineTo(field, end)
		data = data[len(field)-len(rest):]
		if len(line) == 0 {
			return data
		}
		m.headerLine(line)
	}
}

// unfold returns the first logical header line of data with its line end, the
// line breaks inside it replaced by spaces (RFC 3261 §7.3.1); bare when one of
// those was no CRLF.
func unfold(data []byte) (line []byte, bare bool) {
	from := 0
	for {
		i := bytes.IndexByte(data[from:], '\n')
		if i < 0 {
			return data, bare
		}
		i += from
		folded := i+1 < len(data) && (data[i+1] == ' ' || data[i+1] == '\t')
		empty := i == 0 || i == 1 && data[0] == '\r'
		if !folded || empty {
			return data[:i+1], bare
		}
		data[i] = ' '
		if data[i-1] == '\r' {
			data[i-1] = ' '
		} else {
			bare = true
		}
		from = i + 1
	}
}

// bareNUL finds a NUL that no backslash quotes.
func bareNUL(line []byte) bool {
	for {
		i := bytes.IndexByte(line, 0)
		if i < 0 {
			return false
		}
		if i == 0 || line[i-1] != '\\' {
			return true
		}
		line = line[i+1:]
		if len(line) > 0 && line[0] == 0 {
			return true
		}
	}
}

func (m *Message) headerLine(line []byte) {
	if m.suspect && (bytes.IndexByte(line, '\r') >= 0 || bareNUL(line)) {
		m.fault(400, "Control character in header")
	}
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		m.fault(400, "Header line without colon")
		return
	}
	name := Trim(line[:i])
	kind := KindOf(name)
	if kind == Other && !IsToken(name) {
		m.fault(400, "Bad header name")
		return
	}
	m.Headers = append(m.Headers, Header{Kind: kind, Name: name, Value: Trim(line[i+1:])})
}

// body takes what Content-Length says (RFC 3261 §18.3).
func (m *Message) body(rest []byte, stream bool) {
	n, ok := m.contentLength()
	switch {
	case !ok:
		m.fault(400, "Bad Content-Length")
	case n < 0 && stream:
		m.fault(400, "Missing Content-Length")
	case n < 0:
		m.Body = rest
	case n > int64(len(rest)):
		m.fault(400, "Content-Length beyond the end of the message")
	default:
		m.Body = rest[:n]
	}
}

// contentLength is -1 when there is none, and not ok when it is none or two differ.
func (m *Message) contentLength() (int64, bool) {
	length := int64(-1)
	for v := range m.All(ContentLength) {
		n, ok := decimal(v, 1<<31)
		if !ok || length >= 0 && length != n {
			return 0, false
		}
		length = n
	}
	return length, true
}
