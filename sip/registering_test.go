package sip

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestRegistrar_KeepsTheParametersOfAContact wherever its lifetime stands.
func TestRegistrar_KeepsTheParametersOfAContact(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	for i, params := range []string{";q=0.1;x=y;expires=600", ";expires=600;q=0.1;x=y", ";q=0.1;expires=600;x=y"} {
		res := w.dial("udp").register(reg{dn: "1001", callID: "c", cseq: 1 + 10*i, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>" + params}})
		if got := res.get("Contact"); res.code != 200 || got != "<sip:1001@127.0.0.1:5999>;q=0.1;x=y;expires=600" {
			t.Errorf("%s: %d %s", params, res.code, got)
		}
	}
}

// TestRegistrar_PathNeedsOneWord: Supported or Require say that the phone knows it.
func TestRegistrar_PathNeedsOneWord(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	for i, c := range []struct {
		line string
		want int
	}{{"Supported: path", 200}, {"Require: path", 200}, {"Supported: gruu, Path", 200}, {"Supported: gruu", 421}, {"X-None: path", 421}} {
		res := w.dial("udp").register(reg{dn: "1001", callID: "c", cseq: 1 + 10*i, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>", "Path: <sip:edge.test;lr>", c.line}})
		if res.code != c.want || (res.get("Path") == "<sip:edge.test;lr>") != (c.want == 200) {
			t.Errorf("%s: %d %s, Path %s", c.line, res.code, res.reason, res.get("Path"))
		}
	}
}

// TestRegistrar_WhatItHasMayBeRequired: 420 names what is demanded and not there, and no more.
func TestRegistrar_WhatItHasMayBeRequired(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	for i, c := range []struct{ line, unsupported string }{
		{"Require: path", ""}, {"Require: gruu", ""}, {"Require: GRUU, path", ""}, {"Require: gruu, x, path", "x"},
		{"Proxy-Require: privacy", ""}, {"Proxy-Require: privacy, gruu", "gruu"}, {"Require: privacy", "privacy"},
	} {
		res := w.dial("udp").register(reg{dn: "1001", callID: "c", cseq: 1 + 10*i, headers: []string{`Contact: <sip:1001@127.0.0.1:5999>;+sip.instance="<urn:uuid:1>"`, c.line}})
		if got := res.get("Unsupported"); got != c.unsupported || (res.code == 200) != (got == "") {
			t.Errorf("%s: %d %s, Unsupported %q, want %q", c.line, res.code, res.reason, got, c.unsupported)
		}
		if gives := strings.Contains(res.get("Contact"), "pub-gruu"); res.code == 200 && gives != strings.Contains(strings.ToLower(c.line), "gruu") {
			t.Errorf("%s: %s", c.line, res.get("Contact"))
		}
	}
}

// TestRegistrar_SaysThatItKeepsFlows (RFC 5626 §6): to a phone that knows them, of a
// connection with nothing between.
func TestRegistrar_SaysThatItKeepsFlows(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	const flow, path = `;reg-id=1;+sip.instance="<urn:uuid:1>"`, "Path: <sip:edge.test;lr>"
	for i, c := range []struct {
		transport, params string
		headers           []string
		says              bool
	}{
		{"tcp", flow, []string{"Supported: outbound, path"}, true},
		{"tcp", flow, []string{"Supported: path", "Supported: Outbound"}, true},
		{"tcp", flow, []string{"Supported: path"}, false},
		{"tcp", ";reg-id=1", []string{"Supported: outbound"}, false},
		{"tcp", `;+sip.instance="<urn:uuid:1>"`, []string{"Supported: outbound"}, false},
		{"tcp", flow, []string{"Supported: outbound, path", path}, false},
		{"tcp", flow + ";expires=0", []string{"Supported: outbound"}, false},
		{"udp", flow, []string{"Supported: outbound, path"}, false},
	} {
		res := w.dial(c.transport).register(reg{dn: "1001", callID: "c", cseq: 1 + 10*i, headers: append([]string{"Contact: <sip:1001@127.0.0.1:5999>" + c.params}, c.headers...)})
		if res.code != 200 || (res.get("Require") == "outbound") != c.says {
			t.Errorf("%s %s %s: %d, Require: %q", c.transport, c.params, c.headers, res.code, res.get("Require"))
		}
	}
}

// TestRegistrar_OneStar: "Contact: *" stands alone (RFC 3261 §10.2.2).
func TestRegistrar_OneStar(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	for i, c := range []struct {
		contacts []string
		want     int
	}{{[]string{"*"}, 200}, {[]string{"*", "*"}, 400}, {[]string{"*", "<sip:1001@127.0.0.1:5999>"}, 400}, {[]string{"<sip:1001@127.0.0.1:5999>", "*"}, 400}} {
		headers := []string{"Expires: 0"}
		for _, v := range c.contacts {
			headers = append(headers, "Contact: "+v)
		}
		if res := w.dial("udp").register(reg{dn: "1001", callID: "c", cseq: 1 + 10*i, headers: headers}); res.code != c.want {
			t.Errorf("%s: %d %s", c.contacts, res.code, res.reason)
		}
	}
}

// TestOverload_WhoWentAwayIsNew: only a DN that has a binding is refreshed
// whatever the rate.
func TestOverload_WhoWentAwayIsNew(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *Config) { c.Rate, c.Now = 1, func() time.Time { return now } })
	w.put(phoneDN("1001"))
	w.run()
	l := w.dial("udp")
	r := reg{dn: "1001", callID: "c", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>"}}
	for _, step := range []struct {
		name, expires string
		want          int
	}{{"first", "600", 200}, {"refresh", "600", 200}, {"gone", "0", 200}, {"again", "600", 503}} {
		r.headers = []string{r.headers[0], "Expires: " + step.expires}
		if res := l.register(r); res.code != step.want || (res.get("Retry-After") == "5") != (step.want == 503) {
			t.Errorf("%s: %d %s, Retry-After %q", step.name, res.code, res.reason, res.get("Retry-After"))
		}
		r.cseq += 10
	}
	if res := l.ask(r.String()); res.code != 401 {
		t.Errorf("without credentials: %d %s", res.code, res.reason)
	}
}

// TestRegistrar_ANewConfigurationEndsWhatItDoesNotKnow: it is told as a whole.
func TestRegistrar_ANewConfigurationEndsWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	if res := w.dial("udp").register(reg{dn: "1001", callID: "c", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>"}}); res.code != 200 {
		t.Fatal(res)
	}
	w.apply(&peerpb.Command{Version: 1, NewEpoch: "e2"})
	until(t, "the DN is gone", func() bool { return w.state("1001").State != dn.InSrv && w.store.Get("1001") == nil })
}

// TestServer_OPTIONSByWayOfAnOutboundProxy is for the node, not for its calls.
func TestServer_OPTIONSByWayOfAnOutboundProxy(t *testing.T) {
	w := callWorld(t, nil, "1001")
	for i, route := range []string{"", "Route: <sip:" + w.server.UDPAddr().String() + ";lr>\r\n"} {
		res := w.dial("udp").ask("OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKo" + strconv.Itoa(i) + "\r\nMax-Forwards: 70\r\n" + route +
			"From: <sip:1001@" + testRealm + ">;tag=1\r\nTo: <sip:" + testRealm + ">\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n\r\n")
		if res.code != 200 || !strings.Contains(res.get("Allow"), "INVITE") {
			t.Errorf("%q: %d %s", route, res.code, res.reason)
		}
	}
}

// TestRegistrar_CredentialsAreForAURIOfThisCluster: those for another domain's were
// asked for by somebody else.
func TestRegistrar_CredentialsAreForAURIOfThisCluster(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	l := w.dial("udp")
	r := reg{dn: "1001", callID: "c", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>"}}
	challenge := l.ask(r.String()).get("WWW-Authenticate")
	for uri, want := range map[string]int{
		"sip:" + testRealm: 200, "sip:1001@" + testRealm + ":5070;transport=udp": 401, "sip:192.0.2.1": 401, // another hash
		"sip:elsewhere.test": 400, "sip:1001@elsewhere.test": 400, "tel:1001": 400, "": 400,
	} {
		r.cseq++
		r.auth = strings.Replace(authorize(challenge, "1001", "pw1001", 1), `uri="sip:`+testRealm+`"`, `uri="`+uri+`"`, 1)
		if res := l.ask(r.String()); res.code != want {
			t.Errorf("%q: %d %s, want %d", uri, res.code, res.reason, want)
		}
	}
}
