package sip

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

func TestProxy_WhoMayCall(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	w.ua("udp", "1002")
	invite := func(from, uri, extra string) string {
		return "INVITE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK" + rand.Text() + "\r\nMax-Forwards: 70\r\nFrom: <sip:" + from +
			"@" + testRealm + ">;tag=1\r\nTo: <" + uri + ">\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 INVITE\r\nContact: <sip:x@127.0.0.1>\r\n" + extra + "Content-Length: 0\r\n\r\n"
	}
	another := route.NewRing([]RouteKey{{ID: 1, Secret: []byte("another")}})
	forged := another.Encode(&route.Token{Purpose: route.Deliver, Node: "n1", Number: "1002"}, []byte("x"), []byte("1"))
	for _, c := range []struct {
		name, msg string
		want      int
	}{
		{"unauthenticated", invite("1001", uriTo("1002"), ""), 407},
		{"unknown trunk", invite("+4930123", uriTo("1002"), ""), 407},
		{"unknown DN, unknown caller", invite("nobody", uriTo("1999"), ""), 407},
		{"another domain", invite("1001", "sip:bob@example.net", ""), 404},
		{"foreign Route", invite("1001", uriTo("1002"), "Route: <sip:192.0.2.7;lr>\r\n"), 403},
		{"Route by another name", invite("1001", uriTo("1002"), "Route: <sip:relay.example.net;lr>\r\n"), 403},
		{"forged token", invite("1001", uriTo("1002"), "Route: <sip:"+string(forged)+"@"+w.server.UDPAddr().String()+";lr>\r\n"), 403},
		{"own Route without token", invite("1001", uriTo("1002"), "Route: <sip:"+w.server.UDPAddr().String()+";lr>\r\n"), 407},
		{"own Route with the phone's number", invite("1001", uriTo("1002"), "Route: <sip:1001@"+w.server.UDPAddr().String()+";lr>\r\n"), 407},
		{"Max-Forwards 0", strings.Replace(invite("1001", uriTo("1002"), ""), "Max-Forwards: 70", "Max-Forwards: 0", 1), 483},
		{"within a dialog nobody knows", strings.Replace(invite("1001", uriTo("1002"), ""), "To: <"+uriTo("1002")+">", "To: <"+uriTo("1002")+">;tag=9", 1), 481},
		{"Proxy-Require", invite("1001", uriTo("1002"), "Proxy-Require: foo\r\n"), 420},
		{"Proxy-Require of privacy", invite("1001", uriTo("1002"), "Proxy-Require: privacy\r\nPrivacy: id\r\n"), 407},
		{"Require is not ours", invite("1001", uriTo("1002"), "Require: 100rel\r\n"), 407},
		{"too many hops", invite("1001", uriTo("1002"), strings.Repeat("Via: SIP/2.0/UDP h;branch=z9hG4bKa\r\n", 80)), 483},
	} {
		if res := w.dial("udp").ask(c.msg); res.code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, res.code, res.reason, c.want)
		}
	}
	liar, err := siptest.NewUA(siptest.Config{DN: "1001", Password: "wrong", Domain: testRealm, Server: w.server.UDPAddr().String()})
	s.ok(err)
	defer liar.Close()
	s.await(s.place(liar, "1002"), 407)
}

// TestProxy_ADNMayNotCallAsAnother has right credentials, of another DN.
func TestProxy_ADNMayNotCallAsAnother(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	l := w.dial("udp")
	invite := "INVITE " + uriTo("1002") + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%\r\nMax-Forwards: 70\r\nFrom: <sip:1002@" + testRealm +
		">;tag=1\r\nTo: <" + uriTo("1002") + ">\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n@Content-Length: 0\r\n\r\n"
	first := strings.ReplaceAll(strings.Replace(invite, "\r\n@Content", "\r\nContent", 1), "%", "a")
	res := l.ask(first)
	if res.code != 407 {
		t.Fatal(res)
	}
	auth := authorizeFor("INVITE", res.get("Proxy-Authenticate"), "1001", "pw1001", 1)
	second := strings.ReplaceAll(strings.Replace(invite, "\r\n@Content", "\r\nProxy-Authorization: "+auth+"\r\nContent", 1), "%", "b")
	if res = l.ask(second); res.code != 403 {
		t.Errorf("%d %s", res.code, res.reason)
	}
}

func TestProxy_MessageAndReferOutsideOfCalls(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	b := w.ua("udp", "1002")
	b.OnRequest(func(m *siptest.Message) bool {
		return b.Respond(m, 202, "Accepted", "t1", "X-Body: "+m.Body) == nil
	})
	l := w.dial("udp")
	ask := func(method, auth string) *reply {
		return l.ask(method + " " + uriTo("1002") + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK" + rand.Text() + "\r\nFrom: <" + uriTo("1001") +
			">;tag=1\r\nTo: <" + uriTo("1002") + ">\r\nCall-ID: m" + method + "\r\nCSeq: 1 " + method + "\r\n" + auth + "Content-Length: 2\r\n\r\nhi")
	}
	for _, method := range []string{"MESSAGE", "REFER", "SUBSCRIBE"} {
		res := ask(method, "")
		if res.code != 407 {
			t.Fatal(method, res)
		}
		res = ask(method, "Proxy-Authorization: "+authorizeFor(method, res.get("Proxy-Authenticate"), "1001", "pw1001", 1)+"\r\n")
		if res.code != 202 || res.get("X-Body") != "hi" {
			t.Error(method, res)
		}
	}
}
