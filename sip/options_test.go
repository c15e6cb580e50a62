package sip

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

// TestServer_OPTIONSTellsWhatARequestWouldMeet: who asks about a DN hears what
// who wants something of it is told, whatever keeps it from being reached.
func TestServer_OPTIONSTellsWhatARequestWouldMeet(t *testing.T) {
	s := newSite(t)
	l := s.n1.dial("udp")
	ask := func(method, number, auth string) *reply {
		to := "sip:" + number + "@" + testRealm
		return l.ask(fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%s%s%d\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=1\r\nTo: <%s>\r\n"+
			"Call-ID: %s%s\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n", method, to, method, number, len(auth), uriTo("1001"), to, method, number, method, auth))
	}
	for number, want := range map[string]int{"1002": 200, "1003": 200, "1010": 480, "1011": 403, "1012": 480, "1013": 480, "2001": 480, "1999": 404, "9000": 200} {
		auth := authorizeFor("OPTIONS", ask("OPTIONS", number, "").get("WWW-Authenticate"), "1001", "pw1001", 1)
		if res := ask("OPTIONS", number, "Authorization: "+auth+"\r\n"); res.code != want {
			t.Errorf("OPTIONS of %s: %d %s, want %d", number, res.code, res.reason, want)
		}
		if want == 200 || number == "2001" { // no MESSAGE is for a routing point, or a telephone elsewhere
			continue
		}
		auth = authorizeFor("MESSAGE", ask("MESSAGE", number, "").get("Proxy-Authenticate"), "1001", "pw1001", 1)
		if res := ask("MESSAGE", number, "Proxy-Authorization: "+auth+"\r\n"); res.code != want {
			t.Errorf("MESSAGE to %s: %d %s, want %d", number, res.code, res.reason, want)
		}
	}
}

// TestServer_AnAnswerHasOneTag, however the To is written.
func TestServer_AnAnswerHasOneTag(t *testing.T) {
	l := callWorld(t, nil, "1001").dial("udp")
	const to = "<sip:1001@cluster.test>"
	for in, added := range map[string]bool{
		to: true, to + ";x=\"y>;tag=9\"": true, "\"x;tag=1\" " + to: true, to + " ; TAG = abc": false, to + ";tag=abc": false,
	} {
		res := l.ask("OPTIONS sip:cluster.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK" + rand.Text() + "\r\nMax-Forwards: 70\r\nFrom: " + to + ";tag=1\r\nTo: " + in +
			"\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
		got := res.get("To")
		if tag := string(message.TagOf([]byte(got))); tag == "" || (tag == "abc") == added || strings.HasPrefix(got, in+";tag=") != added {
			t.Errorf("%s: the answer has %s", in, got)
		}
	}
}
