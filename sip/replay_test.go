package sip

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestGuard_CredentialsServeOneRequest: what was sent once serves for the same
// request again, and for none that differs in what it is about. Whoever has the
// right password hears that only the nonce is stale: its phone asks nobody.
func TestGuard_CredentialsServeOneRequest(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	b := w.ua("udp", "1002")
	b.OnRequest(func(m *siptest.Message) bool { return b.Respond(m, 200, "OK", "t1") == nil })
	l := w.dial("udp")
	const contact = "Contact: <sip:1001@127.0.0.1:5999>;q=0.5;expires=600"
	register := reg{dn: "1001", callID: "rr", cseq: 1, branch: "z9hG4bKr%", headers: []string{contact, "Expires: 900"}}.String()
	message := strings.Join([]string{"MESSAGE " + uriTo("1002") + " SIP/2.0", "Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKm%", "Max-Forwards: 70",
		"From: <" + uriTo("1001") + ">;tag=1", "To: <" + uriTo("1002") + ">", "Call-ID: mm", "CSeq: 1 MESSAGE", "Content-Length: 0", "", ""}, "\r\n")
	n := 0
	ask := func(msg, auth string) *reply {
		n++
		msg = strings.Replace(msg, "%", string(rune('a'+n)), 1)
		return l.ask(strings.Replace(msg, "Content-Length", auth+"Content-Length", 1))
	}
	for _, x := range []struct {
		method, msg, challenge, header string
		refused                        int
		changes                        [][2]string
	}{
		{"REGISTER", register, "WWW-Authenticate", "Authorization", 401, [][2]string{
			{"Call-ID: rr", "Call-ID: other"}, {"CSeq: 1 ", "CSeq: 2 "}, {"sip:1001@127.0.0.1:5999", "sip:1001@127.0.0.9:5999"}, {"q=0.5", "q=0.9"}, {"expires=600", "expires=0"}, {"Expires: 900", "Expires: 0"}}},
		{"MESSAGE", message, "Proxy-Authenticate", "Proxy-Authorization", 407, [][2]string{
			{"Call-ID: mm", "Call-ID: other"}, {"CSeq: 1 ", "CSeq: 2 "}, {"MESSAGE " + uriTo("1002"), "MESSAGE " + uriTo("1001")}, {"To: <" + uriTo("1002"), "To: <" + uriTo("1001")}}},
	} {
		nonce := ask(x.msg, "").get(x.challenge)
		auth := x.header + ": " + authorizeFor(x.method, nonce, "1001", "pw1001", 1) + "\r\n"
		for range 2 {
			if res := ask(x.msg, auth); res.code != 200 {
				t.Errorf("%s: %d %s", x.method, res.code, res.reason)
			}
		}
		for _, c := range x.changes {
			changed := strings.Replace(x.msg, c[0], c[1], 1)
			if changed == x.msg {
				t.Fatalf("%q is not in %s", c[0], x.msg)
			}
			if res := ask(changed, auth); res.code != x.refused || !strings.Contains(res.get(x.challenge), "stale=true") {
				t.Errorf("%s with %q: %d %s", x.method, c[1], res.code, res.get(x.challenge))
			}
		}
	}
}
