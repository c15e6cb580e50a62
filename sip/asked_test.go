package sip

import (
	"strconv"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// askedWorld is one whose trunk calls from this machine; its calls come to a channel.
func askedWorld(t *testing.T) (w *world, calls func(uri, from string) (called, caller string, code int)) {
	t.Helper()
	came := make(chan *proxy.Call, 1)
	w = callWorld(t, func(c *Config) {
		c.Calls = arrivals(came)
		c.FindElsewhere = nil
	})
	w.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.1:5060", Sources: []string{"127.0.0.1/32"}}})
	until(t, "the trunk is known", func() bool {
		n, _ := w.server.proxy.Trunk(mustAddrPort("127.0.0.1:5999"), 0)
		return n == dn.Number("9000")
	})
	l, n := w.dial("udp"), 0
	return w, func(uri, from string) (called, caller string, code int) {
		n++
		id := "asked" + strconv.Itoa(n)
		l.send("INVITE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK" + id + "\r\nMax-Forwards: 70\r\nFrom: " + from + ";tag=1\r\nTo: <sip:x@" + testRealm + ">\r\nCall-ID: " + id +
			"\r\nCSeq: 1 INVITE\r\nContact: <sip:x@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n")
		answers := make(chan *reply, 1)
		go func() {
			res := l.receive(patience.Limit)
			for res != nil && (res.code < 200 || res.get("Call-ID") != id) { // what was answered before is repeated
				res = l.receive(patience.Limit)
			}
			answers <- res
		}()
		var c *proxy.Call
		select {
		case c = <-came:
			called, caller = c.Called(), c.Origin().Number
			c.Reject(486, "Busy")
		case res := <-answers:
			answers <- res
		}
		res := patience.Receive(t, "an answer", answers)
		if res == nil {
			t.Fatalf("%s is not answered", uri)
		}
		return called, caller, res.code
	}
}

// TestCalled_IsWhatAnINVITECalls: what is told of a text, and what becomes of a call by it.
func TestCalled_IsWhatAnINVITECalls(t *testing.T) {
	w, calls := askedWorld(t)
	for _, uri := range []string{
		"sip:1002@" + testRealm, "sips:1002@" + testRealm, "SIP:1002@" + testRealm + ":5070;transport=tcp", "sip:%31002@" + testRealm, "sip:1002:secret@" + testRealm, "sip:1002;isub=1@" + testRealm,
		"sip:+49-30@" + testRealm + ";user=phone", "sip:+49-30;phone-context=x.example@" + testRealm + ";user=phone", "sip:+49-30@" + testRealm, "sip:a%20b@" + testRealm, "sip:%22x%22@" + testRealm,
		"sip:+955@evil.example", "sip:1002@evil.example;user=phone", "sip:1002@127.0.0.1", "sip:1002@192.0.2.77", "sip:x@abc.invalid", "sip:" + testRealm, "sip:1002@" + testRealm + "?Subject=x",
		"tel:+49-30-(1)", "tel:1002", "TEL:10-02;phone-context=" + testRealm, "tel:1002;phone-context=evil.example", "tel:1002;phone-context=+4930", "tel:+955;phone-context=evil.example", "tel:",
		"mailto:a@b", "https://" + testRealm + "/1002", "javascript:alert(1)", "urn:service:sos", "sip:@" + testRealm, "sip:1002@", "sip:1002@a..b:70000", "1002:x",
	} {
		called, _, code := calls(uri, "<sip:+4930@gw.test>")
		told, secure, f, err := w.server.Called(t.Context(), "9000", uri)
		if secure {
			continue // over datagrams it is refused for that
		}
		switch {
		case err != nil:
			if code != 400 {
				t.Errorf("%s: %v; the call is answered %d", uri, err, code)
			}
		case f != nil:
			if code != f.Code {
				t.Errorf("%s: %d %s; the call is answered %d", uri, f.Code, f.Reason, code)
			}
		case code != 486 || called != told:
			t.Errorf("%s: told %q; the call goes to %q and is answered %d", uri, told, called, code)
		}
	}
	for number, uri := range map[string]string{"1002": "sip:1002@", "+49-30": "sip:+49-30@", "*50#": "sip:*50%23@", "anna.b": "sip:anna.b@"} {
		called, _, _ := calls(uri+testRealm, "<sip:+4930@gw.test>")
		if told, _, f, err := w.server.Called(t.Context(), "9000", number); told != called || f != nil || err != nil {
			t.Errorf("%s: told %q, %v, %v; the call goes to %q", number, told, f, err, called)
		}
	}
	for _, text := range []string{"", `"x"`, `"x" <sip:1002@` + testRealm + ">", "<sip:1002@" + testRealm + ">", "030 123", "1002@" + testRealm, "+49(30)1"} {
		if told, _, _, err := w.server.Called(t.Context(), "9000", text); err == nil {
			t.Errorf("%q is told to be %q", text, told)
		}
	}
}

// TestCalled_ADomainAloneIsIncomplete: it is no number that nobody has (RFC 3261 §21.4.22), and
// there is no trunk to look for.
func TestCalled_ADomainAloneIsIncomplete(t *testing.T) {
	_, calls := askedWorld(t)
	for uri, want := range map[string]int{
		"sip:" + testRealm: 484, "sip:" + testRealm + ":5060;transport=udp": 484, "sip:" + testRealm + ";user=phone": 484, "sip:127.0.0.1": 484,
		"sip:;isub=1@" + testRealm: 484, "sip:-@" + testRealm + ";user=phone": 484, "tel:;isub=1": 484,
		"sip:-@" + testRealm: 486, "sip:0@" + testRealm: 486, "tel:+1": 486, "sip:other.example": 404, "sip:@" + testRealm: 400,
	} {
		if called, _, code := calls(uri, "<sip:+4930@gw.test>"); code != want {
			t.Errorf("%s calls %q and is answered %d, want %d", uri, called, code, want)
		}
	}
}

// TestCaller_IsWhoAnINVITESaysCalls.
func TestCaller_IsWhoAnINVITESaysCalls(t *testing.T) {
	w, calls := askedWorld(t)
	for _, from := range []string{
		"<sip:+4930@gw.test>", `"x" <sip:+4930@gw.test>`, `"a \"b\" <sip:1@x>" <sip:+49-30@gw.test;user=phone>`, "Anna <tel:+49-30;phone-context=x>", "sip:+4930@gw.test", "<sip:%2b4930:secret@gw.test>", "<sip:gw.test>",
		`"ü" <sip:+4930;ext=1@gw.test>`, "<mailto:a@b>",
	} {
		_, caller, code := calls("sip:1002@"+testRealm, from)
		if told, err := w.server.Caller(from); code != 486 || err != nil || told != caller {
			t.Errorf("%s: told %q, %v; the call is from %q, answered %d", from, told, err, caller, code)
		}
	}
	if told, err := w.server.Caller("030123"); told != "030123" || err != nil {
		t.Errorf("a number is told to be %q, %v", told, err)
	}
	for _, text := range []string{`"x"`, `"x <sip:1@h>`, "030 123", "<030123>"} {
		if told, err := w.server.Caller(text); err == nil {
			t.Errorf("%q is told to be %q", text, told)
		}
	}
}

// TestCalled_ATrunkCallsANumberWhateverTheHost, and nobody else does: not who is where the
// trunk is and says to be a phone, and no number that is none.
func TestCalled_ATrunkCallsANumberWhateverTheHost(t *testing.T) {
	w, calls := askedWorld(t)
	w.put(phoneDN("1001"))
	const trunk, phone = "<sip:+4930@gw.test>", "<sip:1001@" + testRealm + ">"
	for _, c := range []struct {
		uri, from, called string
		code              int
	}{
		{"sip:+493012@carrier.example", trunk, "+493012", 486},
		{"sip:+493012@sip.customer.example:5080;transport=udp", trunk, "+493012", 486},
		{"sip:+49-30-12@carrier.example;user=phone", trunk, "+493012", 486},
		{"sip:carrier.example", trunk, "", 404},
		{"tel:12;phone-context=carrier.example", trunk, "", 404},
		{"tel:+49.30-12;phone-context=carrier.example", trunk, "+493012", 486}, // global: it is the same there
		{"sip:+493012@carrier.example", phone, "", 404},
		{"sip:+493012@" + testRealm, phone, "", 407},
	} {
		if called, _, code := calls(c.uri, c.from); called != c.called || code != c.code {
			t.Errorf("%s by %s calls %q and is answered %d, want %q, %d", c.uri, c.from, called, code, c.called, c.code)
		}
	}
	for _, from := range []dn.Number{"1001", "9001"} { // a phone, and nobody
		if _, _, f, err := w.server.Called(t.Context(), from, "sip:+493012@carrier.example"); f == nil || f.Code != 404 || err != nil {
			t.Errorf("from %s: %v, %v", from, f, err)
		}
	}
}

// TestCalled_ATrunkOfAUserIsNowhere: who proves to be the user of a trunk that may be
// anywhere calls numbers of this cluster's domain, and those of no other.
func TestCalled_ATrunkOfAUserIsNowhere(t *testing.T) {
	w := callWorld(t, nil, "1002")
	w.put(&configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
		Address: "192.0.2.77:5060", InboundAuth: &configpb.TrunkAuth{User: "gateway", Ha1: md5Hex("gateway:" + testRealm + ":pw")},
	}})
	g := w.guesserAt("udp", "127.0.0.2")
	challenge := g.challenge("INVITE", "gateway")
	elsewhere := strings.Replace(g.request("INVITE", "gateway", authorizeFor("INVITE", challenge, "gateway", "pw", 1)), uriTo("1002")+" SIP/2.0", "sip:1002@carrier.example SIP/2.0", 1)
	if r := g.ask(elsewhere); r.code != 404 {
		t.Errorf("another domain's number is answered %d", r.code)
	}
	if r := g.ask(g.request("INVITE", "gateway", authorizeFor("INVITE", challenge, "gateway", "pw", 2))); r.code == 404 {
		t.Errorf("the same of this cluster's domain is answered %d", r.code)
	}
}
