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
		{`Digest realm="r", nonce="N", qop="auth-int"`, false},
		{`Digest realm="r", nonce="N", algorithm=MD5-sess`, false},
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
		line := string(ch.AppendAnswer(nil, "u", hash, "INVITE", []byte("sip:+49@gw"), "cn"))
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
