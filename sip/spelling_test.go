package sip

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// said is a message as it is meant. How it is written, a speller decides.
type said struct {
	start string // without a URI that may be spelled otherwise
	lines []field
	body  string
}

// field is one header of a message, with all its values.
type field struct {
	name   string
	values []item
	// alone: its values may not be joined by commas (RFC 3261 §7.3.1).
	alone bool
}

// item is one element of a header.
type item struct {
	// display and uri are those of an address; otherwise text stands there.
	display, uri, text string
	// bracketed: the URI needs angle brackets (Route, Record-Route, Path).
	bracketed bool
	params    []pair
	// comma: they are those of credentials, behind a scheme.
	comma bool
}

// pair is a parameter: of a quoted string, a token, or without a value.
type pair struct {
	name, value  string
	quoted, bare bool
}

// speller writes messages in one of their legal spellings (RFC 3261 §7.3, §19.1, §25.1);
// without a source of chance in the plain one.
type speller struct{ r *rand.Rand }

func (s *speller) odds(n int) bool { return s.r != nil && s.r.IntN(n) == 0 }

// message writes a whole message. Headers of one name keep their order.
func (s *speller) message(m *said) string {
	headers := slices.Clone(m.lines)
	if s.r != nil {
		s.r.Shuffle(len(headers), func(i, j int) { headers[i], headers[j] = headers[j], headers[i] })
		for _, extra := range []string{"Subject", "Organization", "Supported", "X-Unknown"} {
			if s.odds(3) {
				headers = append(headers, field{name: extra, values: []item{{}}})
			}
		}
	}
	var b strings.Builder
	b.WriteString(m.start + "\r\n")
	for _, h := range headers {
		b.WriteString(s.header(h))
	}
	fmt.Fprintf(&b, "%s%d\r\n\r\n%s", s.name("Content-Length"), len(m.body), m.body)
	return b.String()
}

// header writes its values into one line or several.
func (s *speller) header(h field) string {
	var b strings.Builder
	for i, v := range h.values {
		switch {
		case i == 0:
			b.WriteString(s.name(h.name))
		case h.alone || s.odds(2):
			b.WriteString(s.sws() + "\r\n" + s.name(h.name))
		default:
			b.WriteString(s.sws() + "," + s.sws())
		}
		b.WriteString(s.value(v))
	}
	if s.odds(4) {
		b.WriteString(" ")
	}
	return b.String() + "\r\n"
}

var compactForms = map[string]string{
	"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Content-Length": "l", "Content-Type": "c", "Contact": "m", "Supported": "k",
	"Session-Expires": "x", "Refer-To": "r", "Referred-By": "b", "Event": "o", "Allow-Events": "u", "Subject": "s", "Content-Encoding": "e",
}

func (s *speller) name(n string) string {
	if c := compactForms[n]; c != "" && s.odds(2) {
		n = c
	}
	if s.r == nil {
		return n + ": "
	}
	return s.fold(n) + strings.Repeat(" ", s.r.IntN(2)) + ":" + s.sws()
}

// fold changes the case of letters.
func (s *speller) fold(t string) string {
	if !s.odds(2) {
		return t
	}
	b := []byte(t)
	for i := range b {
		if s.odds(2) {
			b[i] = bytes.ToUpper(b[i : i+1])[0]
		} else {
			b[i] = bytes.ToLower(b[i : i+1])[0]
		}
	}
	return string(b)
}

// sws is white space where none has to be, lws where some has.
func (s *speller) sws() string {
	if s.odds(2) {
		return s.lws()
	}
	return ""
}

func (s *speller) lws() string {
	if s.r == nil {
		return " "
	}
	return []string{" ", "\t", "  \t", "\r\n ", " \r\n\t", "\r\n  "}[s.r.IntN(6)]
}

func (s *speller) value(v item) string {
	var b strings.Builder
	sep := ";"
	switch {
	case v.comma:
		sep = ","
		b.WriteString(s.fold(v.text))
	case v.uri != "":
		b.WriteString(s.address(v))
	default:
		b.WriteString(v.text)
	}
	params := slices.Clone(v.params)
	if s.r != nil {
		s.r.Shuffle(len(params), func(i, j int) { params[i], params[j] = params[j], params[i] })
	}
	for i, p := range params {
		if v.comma && i == 0 {
			b.WriteString(s.lws() + s.pair(p))
			continue
		}
		b.WriteString(s.sws() + sep + s.sws() + s.pair(p))
	}
	return b.String()
}

// address writes a name-addr, or an addr-spec where that means the same.
func (s *speller) address(v item) string {
	uri := s.uri(v.uri)
	if v.display == "" && !v.bracketed && !strings.ContainsAny(uri, ";,?") && s.odds(2) {
		return uri
	}
	display := ""
	if v.display != "" {
		display = s.quote(v.display) + s.sws()
	} else if s.odds(3) {
		display = []string{`""`, `"<sip:x@y>;tag=1, \" \\" `, "Some One ", "x\t"}[s.r.IntN(4)]
	}
	return display + "<" + uri + ">" + s.sws()
}

func (s *speller) pair(p pair) string {
	switch {
	case p.bare:
		return s.fold(p.name)
	case p.quoted:
		return s.fold(p.name) + s.sws() + "=" + s.sws() + s.quote(p.value)
	}
	return s.fold(p.name) + s.sws() + "=" + s.sws() + p.value
}

// quote writes a quoted string, some of its characters as quoted pairs.
func (s *speller) quote(t string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(t) {
		if t[i] == '"' || t[i] == '\\' || s.odds(12) {
			b.WriteByte('\\')
		}
		b.WriteByte(t[i])
	}
	b.WriteByte('"')
	return b.String()
}

// uri spells scheme, host and the names of parameters in any case, and escapes characters
// of the user that need not be (RFC 3261 §19.1.4).
func (s *speller) uri(uri string) string {
	if s.r == nil {
		return uri
	}
	scheme, rest, _ := strings.Cut(uri, ":")
	user, host, has := strings.Cut(rest, "@")
	if !has {
		return s.fold(scheme) + ":" + s.fold(rest)
	}
	var b strings.Builder
	for i := range len(user) {
		if c := user[i]; c >= '0' && c <= 'z' && c != ';' && c != '=' && c != ':' && s.odds(4) {
			fmt.Fprintf(&b, []string{"%%%02x", "%%%02X"}[s.r.IntN(2)], c)
		} else {
			b.WriteByte(c)
		}
	}
	return s.fold(scheme) + ":" + b.String() + "@" + s.fold(host)
}
