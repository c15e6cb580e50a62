package sip

import (
	"crypto/rand"
	"net"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
)

func TestServer_PhoneRegistersRefreshesAndUnregisters(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			w := newWorld(t, nil)
			w.put(phoneDN("1001"))
			w.run()
			l := w.dial(network)
			r := reg{dn: "1001", callID: "c1", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>;q=0.5", "Expires: 600"}, transport: strings.ToUpper(network)}
			res := l.register(r)
			if res.code != 200 || !strings.HasPrefix(res.get("Contact"), "<sip:1001@127.0.0.1:5999>;q=0.5;expires=600") {
				t.Fatalf("%d %s %v", res.code, res.reason, res.headers)
			}
			if st := w.state("1001"); st.State != dn.InSrv || st.Owner != "n1" {
				t.Fatalf("%+v", st)
			}
			before, _ := w.table.Own("1001")
			r.cseq = 10
			if res = l.register(r); res.code != 200 {
				t.Fatalf("refresh: %d %s", res.code, res.reason)
			}
			if after, _ := w.table.Own("1001"); after.ClaimTime <= before.ClaimTime || after.Since != before.Since {
				t.Fatalf("a refresh takes a new claim and keeps since: %+v, %+v", before, after)
			}
			r.cseq, r.headers = 20, []string{"Contact: *", "Expires: 0"}
			if res = l.register(r); res.code != 200 || res.get("Contact") != "" {
				t.Fatalf("%d %v", res.code, res.headers)
			}
			if st := w.state("1001"); st.State != dn.OOS || st.Reason != dn.Unregistered {
				t.Fatalf("%+v", st)
			}
		})
	}
}

func TestServer_BindingsOfAConnectionEndWithIt(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	l := w.dial("tcp")
	r := reg{dn: "1001", callID: "c1", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999;transport=tcp>"}, transport: "TCP"}
	if res := l.register(r); res.code != 200 {
		t.Fatal(res)
	}
	l.conn.Close()
	until(t, "OOS after the connection ended", func() bool {
		st := w.state("1001")
		return st.State == dn.OOS && st.Reason == dn.Expired
	})
}

func TestServer_AnswersGoWhereViaSays(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	l := w.dial("udp")
	res := l.ask("OPTIONS sip:127.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP  phone.example.com ; RPORT ; branch=z9hG4bKa\r\nf: <sip:a@b> ;tag=1\r\nt: sip:a@b\r\ni: x\r\nCSeq: 1 OPTIONS\r\n\r\n")
	via := res.get("Via")
	if res.code != 200 || !strings.Contains(via, ";received=127.0.0.1") || !strings.Contains(via, ";rport="+portOf(l)) || !strings.HasPrefix(via, "SIP/2.0/UDP phone.example.com") {
		t.Fatalf("%d %q", res.code, via)
	}
	if !strings.Contains(res.get("To"), ";tag=") || res.get("Allow") == "" || res.get("Accept") == "" {
		t.Fatal(res.headers)
	}
}

// TestServer_AnswersGoToThePortOfAViaWithoutRport (RFC 3261 §18.2.2), whichever way
// the request takes.
func TestServer_AnswersGoToThePortOfAViaWithoutRport(t *testing.T) {
	w := callWorld(t, nil, "1001")
	from, at := w.dial("udp"), w.dial("udp")
	register := reg{dn: "1001", callID: "c", cseq: 1, headers: []string{"Contact: <sip:1001@h>"}}.String()
	before := w.server.Stats().Fast
	for name, x := range map[string]struct {
		text string
		want int
	}{
		"fast":    {register, 401},
		"plain":   {strings.Replace(register, "Content-Length", "Supported: gruu\r\nPath: <sip:edge.test;lr>\r\nContent-Length", 1), 401},
		"OPTIONS": {strings.ReplaceAll(register, "REGISTER", "OPTIONS"), 200},
		"INVITE":  {strings.ReplaceAll(strings.Replace(register, "REGISTER sip:", "REGISTER sip:1001@", 1), "REGISTER", "INVITE"), 407},
		"broken":  {strings.Replace(register, "CSeq: 1", "CSeq: x", 1), 400},
	} {
		for via, to := range map[string]*line{"127.0.0.1:" + portOf(at): at, "127.0.0.1:" + portOf(at) + ";rport": from, "192.0.2.1:" + portOf(at): at} {
			text := strings.Replace(x.text, "127.0.0.1:5999;rport", via, 1)
			text = strings.Replace(text, "branch=z9hG4bK", "branch=z9hG4bK"+rand.Text(), 1) // another transaction
			from.send(text)
			if res := to.answerTo(text); res.code != x.want {
				t.Errorf("%s with the Via %s: %+v, want %d", name, via, res, x.want)
			}
		}
	}
	if n := w.server.Stats().Fast - before; n != 3 {
		t.Errorf("%d went the fast way, want 3", n)
	}
}

func portOf(l *line) string {
	a := l.conn.LocalAddr().String()
	return a[strings.LastIndexByte(a, ':')+1:]
}

func TestServer_RequestsForDNs(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.put(phoneDN("1002"))
	w.table.Register("1002", dn.Registered)
	w.run()
	l := w.dial("udp")
	for _, c := range []struct {
		method, user, extra string
		want                int
	}{
		{"INVITE", "1999", "", 405}, {"INVITE", "1001", "", 405}, {"INVITE", "1002", "", 405}, {"MESSAGE", "1002", "", 405}, {"PUBLISH", "1999", "", 405},
		{"OPTIONS", "1002", "", 401}, {"OPTIONS", "1001", "", 401}, {"OPTIONS", "1999", "", 401}, {"BYE", "1002", "", 481}, {"CANCEL", "1002", "", 481},
		{"FOO", "1002", "", 501}, {"OPTIONS", "1002", "Require: 100rel\r\n", 420}, {"OPTIONS", "1002", "Max-Forwards: 0\r\n", 483},
	} {
		res := l.ask(c.method + " sip:" + c.user + "@" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK" + c.method + c.user + c.extra[:min(3, len(c.extra))] +
			"\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:" + c.user + "@" + testRealm + ">\r\nCall-ID: x\r\nCSeq: 1 " + c.method + "\r\n" + c.extra + "\r\n")
		if res.code != c.want {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.user, c.extra, res.code, res.reason, c.want)
		}
	}
	l.send("ACK sip:1002@" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKack\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCall-ID: x\r\nCSeq: 1 ACK\r\n\r\n")
	l.send("OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKbehind\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n")
	for res := l.final(); res == nil || !strings.Contains(res.get("Via"), "z9hG4bKbehind"); res = l.final() {
		if res == nil || strings.HasSuffix(res.get("CSeq"), "ACK") {
			t.Fatalf("behind an ACK: %+v", res)
		}
	}
}

// TestServer_BothAddressFamilies listens on all addresses with one socket and
// is asked by IPv4 and IPv6, by each way, with and without rport.
func TestServer_BothAddressFamilies(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.UDP, c.TCP = ":0", "" })
	w.put(phoneDN("1001"))
	w.run()
	port := w.server.UDPAddr().(*net.UDPAddr).Port
	for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
		c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: ip, Port: port})
		if err != nil {
			t.Logf("SKIPPED: no %v here: %v", ip, err)
			continue
		}
		t.Cleanup(func() { c.Close() })
		l := &line{t: t, conn: c}
		for _, rport := range []string{"", ";rport"} {
			via := "Via: SIP/2.0/UDP h.test:" + portOf(l) + rport + ";branch=z9hG4bK" + portOf(l) + "x" + strings.Trim(rport, ";")
			rest := "\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:1001@" + testRealm + ">\r\nCall-ID: x\r\n"
			for start, want := range map[string]int{
				"REGISTER sip:" + testRealm + " SIP/2.0\r\nContact: <sip:a@b>\r\nCSeq: 1 REGISTER\r\n": 401,
				"OPTIONS sip:" + testRealm + " SIP/2.0\r\nCSeq: 1 OPTIONS\r\n":                         200,
				"OPTIONS sip:" + testRealm + " SIP/2.0\r\nCSeq: 1 INVITE\r\n":                          400,
			} {
				res := l.ask(start + via + rest + "\r\n")
				if res.code != want || !strings.Contains(res.get("Via"), ";received="+ip.String()) {
					t.Errorf("%v%s: %d %s", ip, rport, res.code, res.get("Via"))
				}
			}
		}
	}
}
