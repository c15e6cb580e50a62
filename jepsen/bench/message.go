package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// incoming is what the parties of a call need of a message.
type incoming struct {
	raw    []byte
	method string // of a request
	code   int    // of a response
	call   int    // the call's number, which its Call-ID begins with
	cseq   []byte // number and method
}

// parseIncoming reads a message of one of the calls of this run; it keeps b.
func parseIncoming(b []byte, run string) (m incoming, ok bool) {
	m = incoming{raw: b, call: -1}
	if after, response := bytes.CutPrefix(b, []byte("SIP/2.0 ")); response {
		if len(after) < 3 {
			return m, false
		}
		code, err := strconv.Atoi(string(after[:3]))
		if err != nil {
			return m, false
		}
		m.code = code
	} else {
		method, _, found := bytes.Cut(b, []byte(" "))
		if !found {
			return m, false
		}
		m.method = string(method)
	}
	number, of, _ := bytes.Cut(header(b, "\r\nCall-ID:"), []byte("-"))
	n, err := strconv.Atoi(string(number))
	if err != nil || string(of) != run {
		return m, false
	}
	m.call, m.cseq = n, header(b, "\r\nCSeq:")
	return m, true
}

// is tells whether a response answers that method.
func (m *incoming) is(method string) bool { return bytes.HasSuffix(m.cseq, []byte(" "+method)) }

// each calls f for every header line of that name (\r\nVia:), with the name.
func each(b []byte, name string, f func(line []byte)) {
	for {
		i := bytes.Index(b, []byte(name))
		if i < 0 {
			return
		}
		line, _, _ := bytes.Cut(b[i+2:], []byte("\r\n"))
		f(line)
		b = b[i+2+len(line):]
	}
}

const sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

// body ends a message.
func body(b []byte, text string) []byte {
	if text != "" {
		b = append(b, "Content-Type: application/sdp\r\n"...)
	}
	return append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(text)), 10), "\r\n\r\n"+text...)
}

// answerTo writes the called phone's answer to a request.
func answerTo(m *incoming, status, contact, text string) []byte {
	b := append(make([]byte, 0, 1024), "SIP/2.0 "+status+"\r\n"...)
	keep := func(line []byte) { b = append(append(b, line...), "\r\n"...) }
	each(m.raw, "\r\nVia:", keep)
	if m.method == "INVITE" {
		each(m.raw, "\r\nRecord-Route:", keep)
	}
	keep(append([]byte("From: "), header(m.raw, "\r\nFrom:")...))
	to := header(m.raw, "\r\nTo:")
	b = append(append(b, "To: "...), to...)
	if !bytes.Contains(to, []byte("tag=")) {
		b = append(b, ";tag=phone"...)
	}
	b = fmt.Appendf(b, "\r\nCall-ID: %s\r\nCSeq: %s\r\n", header(m.raw, "\r\nCall-ID:"), m.cseq)
	if m.method == "INVITE" {
		b = fmt.Appendf(b, "Contact: <sip:phone@%s>\r\n", contact)
	}
	return body(b, text)
}

// dialog is what the calling side has of a call that is up.
type dialog struct {
	target, to string
	routes     []string // as a caller uses them: the last Record-Route first
}

// dialogOf reads the 200 to an INVITE.
func dialogOf(m *incoming) dialog {
	d := dialog{to: string(header(m.raw, "\r\nTo:"))}
	contact := header(m.raw, "\r\nContact:")
	if _, after, ok := bytes.Cut(contact, []byte("<")); ok {
		contact, _, _ = bytes.Cut(after, []byte(">"))
	}
	d.target = string(contact)
	each(m.raw, "\r\nRecord-Route:", func(line []byte) {
		_, value, _ := bytes.Cut(line, []byte(":"))
		for v := range bytes.SplitSeq(value, []byte(",")) {
			d.routes = append([]string{string(bytes.TrimSpace(v))}, d.routes...)
		}
	})
	return d
}
