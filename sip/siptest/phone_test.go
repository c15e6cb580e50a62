package siptest

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

func TestChallenge_AnswersByAlgorithm(t *testing.T) {
	for algorithm, length := range map[string]int{"MD5": 32, "SHA-256": 64, "": 32} {
		var c challenge
		v := `Digest realm="r,=", nonce="n", qop="auth,auth-int", stale=TRUE`
		if algorithm != "" {
			v += ", algorithm=" + algorithm
		}
		if !c.parse(v) || !c.qop || !c.stale || c.realm != "r,=" {
			t.Fatalf("%+v", c)
		}
		c.answer("REGISTER", "sip:r", "u", "p")
		a := c.answer("REGISTER", "sip:r", "u", "p")
		_, response, _ := strings.Cut(a, `response="`)
		if !strings.Contains(a, "nc=00000002") || len(strings.TrimSuffix(response, `"`)) != length {
			t.Errorf("%s: %s", algorithm, a)
		}
	}
	var c challenge
	if c.parse("Basic x") || c.answer("REGISTER", "sip:r", "u", "p") != "" {
		t.Error("an answer without a challenge")
	}
}

func TestReadMessage_ReadsOneAfterTheOther(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhiSIP/2.0 404 No\r\nX: y\r\n\r\n"))
	for _, want := range []string{"SIP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "SIP/2.0 404 No\r\nX: y\r\n\r\n"} {
		if got, err := readMessage(r); err != nil || got != want {
			t.Errorf("%q %v", got, err)
		}
	}
}

func TestResponse_Expires(t *testing.T) {
	r := &Response{headers: [][2]string{{"Contact", "<sip:a@b>;q=1;expires=60"}, {"contact", "<sip:c@d>"}}}
	if d, ok := r.Expires("sip:a@b"); !ok || d != time.Minute {
		t.Error(d, ok)
	}
	if _, ok := r.Expires("sip:c@d"); ok {
		t.Error("a lifetime out of nothing")
	}
}
