package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// phone is one telephone of a fleet.
type phone struct {
	number string
	ha1    string
	cseq   int
	auth   bool // the outstanding request has credentials
	out    []byte
	resent int
	// first, sent and done are when the REGISTER without credentials went out,
	// that with credentials, and when its 200 came.
	first, sent, done time.Time
	last              time.Time // of the latest transmission
	failed            string
}

func hexMD5(dst []byte, s []byte) []byte {
	sum := md5.Sum(s)
	return hex.AppendEncode(dst, sum[:])
}

// wording is what the REGISTERs of a fleet have in common.
type wording struct {
	realm, local, id string
	ha2              []byte
	expires          int
	scratch          []byte
}

func newWording(realm, local, id string, expires int) *wording {
	return &wording{realm: realm, local: local, id: id, ha2: hexMD5(nil, []byte("REGISTER:sip:"+realm)), expires: expires}
}

// register writes phone i's next REGISTER into its buffer; nonce is empty for
// one without credentials.
func (w *wording) register(i int, p *phone, nonce []byte) {
	p.cseq++
	p.auth = len(nonce) > 0
	b := append(p.out[:0], "REGISTER sip:"...)
	b = append(append(b, w.realm...), " SIP/2.0\r\nVia: SIP/2.0/UDP "...)
	b = append(append(b, w.local...), ";branch="+siptest.MagicCookie...)
	b = append(strconv.AppendInt(b, int64(i), 10), 'x')
	b = append(strconv.AppendInt(b, int64(p.cseq), 10), w.id...)
	b = append(b, ";rport\r\nMax-Forwards: 70\r\nFrom: <sip:"...)
	b = w.address(b, p)
	b = append(strconv.AppendInt(append(b, ";tag=b"...), int64(i), 10), "\r\nTo: <sip:"...)
	b = append(w.address(b, p), "\r\nCall-ID: "...)
	b = append(append(strconv.AppendInt(b, int64(i), 10), '-'), w.id...)
	b = append(strconv.AppendInt(append(b, "\r\nCSeq: "...), int64(p.cseq), 10), " REGISTER\r\nContact: <sip:"...)
	b = append(append(append(append(b, p.number...), '@'), w.local...), ">\r\nExpires: "...)
	b = append(strconv.AppendInt(b, int64(w.expires), 10), "\r\n"...)
	if p.auth {
		b = w.credentials(b, p, nonce)
	}
	p.out = append(b, "User-Agent: bench\r\nContent-Length: 0\r\n\r\n"...)
}

func (w *wording) address(b []byte, p *phone) []byte {
	return append(append(append(append(b, p.number...), '@'), w.realm...), '>')
}

// credentials are those of RFC 7616 with MD5 and qop=auth.
func (w *wording) credentials(b []byte, p *phone, nonce []byte) []byte {
	const rest = ":00000001:c0ffee:auth:"
	s := append(append(append(w.scratch[:0], p.ha1...), ':'), nonce...)
	s = append(append(s, rest...), w.ha2...)
	w.scratch = s
	b = append(append(b, `Authorization: Digest username="`...), p.number...)
	b = append(append(b, `", realm="`...), w.realm...)
	b = append(append(b, `", nonce="`...), nonce...)
	b = append(append(b, `", uri="sip:`...), w.realm...)
	b = append(b, `", algorithm=MD5, qop=auth, nc=00000001, cnonce="c0ffee", response="`...)
	return append(hexMD5(b, s), "\"\r\n"...)
}

// reply is what a fleet needs of a response.
type reply struct {
	phone, cseq, code int
	nonce             []byte
}

// parseReply reads a response to one of a fleet's REGISTERs.
func parseReply(b []byte) (r reply, ok bool) {
	if len(b) < 12 || string(b[:8]) != "SIP/2.0 " {
		return r, false
	}
	code, err := strconv.Atoi(string(b[8:11]))
	if err != nil || code < 200 {
		return r, false
	}
	id, _, _ := bytes.Cut(header(b, "\r\nCall-ID:"), []byte("-"))
	cseq, _, _ := bytes.Cut(header(b, "\r\nCSeq:"), []byte(" "))
	r.code = code
	if r.phone, err = strconv.Atoi(string(id)); err != nil {
		return r, false
	}
	if r.cseq, err = strconv.Atoi(string(cseq)); err != nil {
		return r, false
	}
	if code == 401 {
		_, after, _ := bytes.Cut(b, []byte(`nonce="`))
		r.nonce, _, _ = bytes.Cut(after, []byte(`"`))
	}
	return r, true
}

func header(b []byte, name string) []byte {
	i := bytes.Index(b, []byte(name))
	if i < 0 {
		return nil
	}
	value, _, _ := bytes.Cut(b[i+len(name):], []byte("\r\n"))
	return bytes.TrimSpace(value)
}
