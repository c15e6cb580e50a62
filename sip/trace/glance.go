package trace

import (
	"bytes"

	"github.com/sipcluster/sipcluster/sip/message"
)

// glanced is what is looked at of a message that goes out.
type glanced struct {
	// method is that of CSeq in a response.
	method []byte
	// text is the Request-URI, or the reason.
	text   []byte
	code   int
	callID []byte
	cseq   uint32
}

var version = []byte("SIP/2.0 ")

// glance reads the start line, Call-ID and CSeq of a message that this node has written;
// false where one of them is missing.
func glance(b []byte) (g glanced, ok bool) {
	start, rest := line(b)
	if response, is := bytes.CutPrefix(start, version); is && len(response) >= 3 {
		for _, c := range response[:3] {
			g.code = 10*g.code + int(c-'0')
		}
		g.text = bytes.TrimPrefix(response[3:], []byte(" "))
	} else {
		g.method, g.text, _ = bytes.Cut(start, []byte(" "))
		g.text, _, _ = bytes.Cut(g.text, []byte(" "))
	}
	for len(rest) > 0 && rest[0] != '\r' && rest[0] != '\n' && (g.callID == nil || g.cseq == 0) {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		switch rest[0] {
		case 'C', 'c', 'I', 'i':
			g.header(bytes.TrimSuffix(rest[:end], []byte("\r")))
		}
		rest = rest[end+1:]
	}
	return g, g.callID != nil && g.method != nil
}

// header reads a line that may be one of the two.
func (g *glanced) header(l []byte) {
	name, value, found := bytes.Cut(l, []byte(":"))
	if !found {
		return
	}
	switch message.KindOf(message.Trim(name)) {
	case message.CallID:
		g.callID = message.Trim(value)
	case message.CSeq:
		var method []byte
		g.cseq, method, _ = message.ParseCSeq(message.Trim(value))
		if g.code != 0 {
			g.method = method
		}
	}
}

// line is the first line, without its end.
func line(b []byte) (l, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), b[i+1:]
}

// ofCall tells whether requests of a method are remembered: not those of which phones and
// gateways send many outside of calls.
func ofCall(method []byte) bool {
	switch string(method) {
	case "OPTIONS", "REGISTER", "SUBSCRIBE", "PUBLISH":
		return false
	}
	return len(method) > 0
}

// appendURI writes scheme, user and host of a URI, as far as there is room: no password, no
// parameter.
func appendURI(dst, uri []byte) []byte {
	uri, _, _ = bytes.Cut(uri, []byte(";"))
	uri, _, _ = bytes.Cut(uri, []byte("?"))
	scheme, rest, _ := bytes.Cut(uri, []byte(":"))
	if at := bytes.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, has := bytes.Cut(rest[:at], []byte(":")); has { // a password
			dst = clip(clip(clip(dst, scheme), []byte(":")), user)
			return clip(dst, rest[at:])
		}
	}
	return clip(dst, uri)
}

func clip(dst, b []byte) []byte { return append(dst, b[:min(len(b), cap(dst)-len(dst))]...) }
