package digest

import (
	"strings"
	"testing"
)

// TestChallenge_AnswersAreWhatTheServerWants: each passes the check of the server's side.
func TestChallenge_AnswersAreWhatTheServerWants(t *testing.T) {
	for _, c := range []struct {
		challenge string
		ok        bool
	}{
		{`Digest realm="r", nonce="N"`, true},
		{`Digest realm="r", nonce="N", algorithm=MD5, qop="auth"`, true},
		{`digest nonce="N",realm="r",algorithm=sha-256,qop="auth-int, auth",opaque="o",stale=TRUE,domain="sip:x"`, true},
		{`Digest realm="r", nonce="N", qop="auth-conf"`, false},
		{`Digest realm="r", nonce="N", algorithm=SHA-512-256-sess`, false},
		{`Digest realm="r", nonce="N", algorithm="-sess"`, false},
		{`Digest realm="r"`, false},
		{`Digest nonce="N"`, false},
		{`Digest realm="r, nonce="N"`, false},
		{`Basic realm="r", nonce="N"`, false},
	} {
		s := New(Config{})
		var ch Challenge
		if ok := ch.Parse([]byte(strings.Replace(c.challenge, `"N"`, `"`+nonceOf(s)+`"`, 1))); ok != c.ok {
			t.Errorf("%s: %v", c.challenge, ok)
		}
		if !c.ok {
			continue
		}
		hash := string(ch.Algorithm.appendHash(nil, []byte("u:r:p")))
		line := string(ch.AppendAnswer(nil, &Answered{User: "u", HA1: hash, Method: "INVITE", URI: []byte("sip:+49@gw"), CNonce: "cn"}))
		var got Credentials
		if !got.Parse([]byte(line)) || string(got.URI) != "sip:+49@gw" || string(got.Username) != "u" {
			t.Fatal(line)
		}
		if ch.Opaque != nil && !strings.Contains(line, `opaque="o"`) {
			t.Errorf("%s: no opaque in %s", c.challenge, line)
		}
		if !got.matches(ch.Algorithm, []byte("INVITE"), hash) || got.matches(ch.Algorithm, []byte("BYE"), hash) {
			t.Errorf("%s: %s is not what the server wants", c.challenge, line)
		}
		if _, ok := got.count(); !ok {
			t.Errorf("%s: the count in %s", c.challenge, line)
		}
	}
}

// TestChallenge_WithTheBodyAndOfASession: the responses were computed by hand from RFC 7616
// §3.4.1 to §3.4.3, and the parameters name what was done.
func TestChallenge_WithTheBodyAndOfASession(t *testing.T) {
	const nonce, cnonce, uri, body = "n0", "c0", "sip:+49@gw", "v=0\r\n"
	for _, c := range []struct {
		offer, says string
		by          Algorithm
		response    func(h func(string) string, ha1 string) string
	}{
		{`qop="auth-int"`, `algorithm=MD5, qop=auth-int, nc=00000001`, MD5, func(h func(string) string, ha1 string) string {
			return h(ha1 + ":n0:00000001:c0:auth-int:" + h("INVITE:"+uri+":"+h(body)))
		}},
		{`algorithm=SHA-256, qop="auth-int"`, `algorithm=SHA-256, qop=auth-int, nc=00000001`, SHA256, func(h func(string) string, ha1 string) string {
			return h(ha1 + ":n0:00000001:c0:auth-int:" + h("INVITE:"+uri+":"+h(body)))
		}},
		{`algorithm=md5-SESS, qop="auth-int,auth"`, `algorithm=MD5-sess, qop=auth, nc=00000001`, MD5, func(h func(string) string, ha1 string) string {
			return h(h(ha1+":n0:c0") + ":n0:00000001:c0:auth:" + h("INVITE:"+uri))
		}},
		{`qop="auth-int", algorithm=SHA-256-sess`, `algorithm=SHA-256-sess, qop=auth-int, nc=00000001`, SHA256, func(h func(string) string, ha1 string) string {
			return h(h(ha1+":n0:c0") + ":n0:00000001:c0:auth-int:" + h("INVITE:"+uri+":"+h(body)))
		}},
		{`algorithm=MD5-sess`, `cnonce="c0", algorithm=MD5-sess`, MD5, func(h func(string) string, ha1 string) string {
			return h(h(ha1+":n0:c0") + ":n0:" + h("INVITE:"+uri))
		}},
	} {
		var ch Challenge
		if !ch.Parse([]byte(`Digest realm="r", nonce="` + nonce + `", ` + c.offer)) {
			t.Errorf("%s is not answered", c.offer)
			continue
		}
		h := func(s string) string { return string(c.by.appendHash(nil, []byte(s))) }
		line := string(ch.AppendAnswer(nil, &Answered{User: "u", HA1: h("u:r:p"), Method: "INVITE", URI: []byte(uri), Body: []byte(body), CNonce: cnonce}))
		if want := `response="` + c.response(h, h("u:r:p")) + `"`; !strings.Contains(line, want) || !strings.HasSuffix(line, c.says) || !strings.Contains(line, `cnonce="c0"`) {
			t.Errorf("%s: %s, want %s", c.offer, line, want)
		}
	}
}
