package message

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func read(t *testing.T, text string) *Message {
	t.Helper()
	m := &Message{}
	if err := m.Parse([]byte(text), false); err != nil || m.Fault != nil {
		t.Fatalf("%q: %v, %v", text, err, m.Fault)
	}
	return m
}

// onWay is a request as a proxy gets it, with some of everything that it may change.
const onWay = "INVITE sip:bob@example.org SIP/2.0\r\n" +
	"v:  SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;rport , SIP/2.0/TCP i;branch=z9hG4bKy\r\n" +
	"Route: <sip:n1;lr>\r\n" +
	"Max-Forwards: 70\r\n" +
	"f: \"A\"  <sip:alice@example.org> ; tag=a\r\n" +
	"Via: SIP/2.0/UDP j;branch=z9hG4bKz\r\n" +
	"To: <sip:bob@example.org>\r\n" +
	"Proxy-Authorization: Digest one\r\n" +
	"Record-Route: <sip:before;lr>\r\n" +
	"Route: <sip:n2;lr>, <sip:n3;lr>\r\n" +
	"i: id@h\r\n" +
	"CSeq: 7 INVITE\r\n" +
	"Proxy-Authorization: Digest two\r\n" +
	"X-Sipcluster-Origin: 6.6.6.6:6\r\n" +
	"X-Other:   as  it is \r\n" +
	"l: 4\r\n\r\nbody and more"

// forwarded is what becomes of it: the lines between start line and end.
func forwarded(m *Message, c *Changes) string {
	s := strings.ReplaceAll(string(m.AppendForwarded([]byte("> "), c)), "\r\n", "\n")
	return strings.TrimSuffix(s, "Content-Length: 4\n\nbody")
}

func TestAppendForwarded_ChangesWhatIsSaidAndNothingElse(t *testing.T) {
	const (
		start   = "> INVITE sip:bob@example.org SIP/2.0\n"
		vias    = "Via: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;rport , SIP/2.0/TCP i;branch=z9hG4bKy\nVia: SIP/2.0/UDP j;branch=z9hG4bKz\n"
		routes  = "Route: <sip:n1;lr>\n"
		hops    = "Max-Forwards: 70\n"
		from    = "f: \"A\"  <sip:alice@example.org> ; tag=a\n"
		to      = "To: <sip:bob@example.org>\n"
		one     = "Proxy-Authorization: Digest one\n"
		record  = "Record-Route: <sip:before;lr>\n"
		routes2 = "Route: <sip:n2;lr>, <sip:n3;lr>\n"
		id      = "i: id@h\nCSeq: 7 INVITE\n"
		two     = "Proxy-Authorization: Digest two\n"
		other   = "X-Other: as  it is\n"
	)
	for _, c := range []struct {
		name   string
		source string
		c      Changes
		want   string
	}{
		{"nothing", "", Changes{Hops: -1}, start + vias + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"the URI", "", Changes{Hops: -1, URI: []byte("sip:c@d")}, "> INVITE sip:c@d SIP/2.0\n" + vias + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"a Via on top", "", Changes{Hops: -1, Via: []byte("SIP/2.0/UDP me;branch=z9hG4bKm")}, start + "Via: SIP/2.0/UDP me;branch=z9hG4bKm\n" + vias + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"where it came from", "192.0.2.9:1234", Changes{Hops: -1}, start + "Via: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;rport=1234;received=192.0.2.9\nVia: SIP/2.0/TCP i;branch=z9hG4bKy\nVia: SIP/2.0/UDP j;branch=z9hG4bKz\n" + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"the top Via off", "", Changes{Hops: -1, PopVia: true}, start + "Via: SIP/2.0/TCP i;branch=z9hG4bKy\nVia: SIP/2.0/UDP j;branch=z9hG4bKz\n" + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"the top Via off, whatever the source", "192.0.2.9:1234", Changes{Hops: -1, PopVia: true}, start + "Via: SIP/2.0/TCP i;branch=z9hG4bKy\nVia: SIP/2.0/UDP j;branch=z9hG4bKz\n" + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"the last hop", "", Changes{}, start + vias + "Max-Forwards: 0\n" + routes + from + to + one + record + routes2 + id + two + other},
		{"hops left", "", Changes{Hops: 69}, start + vias + "Max-Forwards: 69\n" + routes + from + to + one + record + routes2 + id + two + other},
		{"no routes any more", "", Changes{Hops: -1, Reroute: true}, start + vias + hops + from + to + one + record + id + two + other},
		{"routes that nobody asked to change", "", Changes{Hops: -1, Routes: [][]byte{[]byte("<sip:r>")}}, start + vias + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"other routes", "", Changes{Hops: -1, Reroute: true, Routes: [][]byte{[]byte("<sip:r>"), []byte("<sip:s>")}}, start + vias + "Route: <sip:r>\nRoute: <sip:s>\n" + hops + from + to + one + record + id + two + other},
		{"record routes", "", Changes{Hops: -1, RecordRoutes: [][]byte{[]byte("<sip:r>"), []byte("<sip:s>")}}, start + vias + "Record-Route: <sip:r>\nRecord-Route: <sip:s>\n" + routes + hops + from + to + one + record + routes2 + id + two + other},
		{"credentials dropped", "", Changes{Hops: -1, Drop: func(h *Header) bool {
			return h.Kind == ProxyAuthorization && string(h.Value) == "Digest one"
		}}, start + vias + routes + hops + from + to + record + routes2 + id + two + other},
		{"more lines", "", Changes{Hops: -1, Lines: []byte("A: b\r\nC: d\r\n")}, start + vias + routes + hops + from + to + one + record + routes2 + id + two + other + "A: b\nC: d\n"},
	} {
		m := read(t, onWay)
		if c.source != "" {
			m.Source = netip.MustParseAddrPort(c.source)
		}
		if got := forwarded(m, &c.c); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestAppendForwarded_Response(t *testing.T) {
	m := read(t, "SIP/2.0 180 Is  Ringing\r\nVia: SIP/2.0/UDP me;branch=z9hG4bKm\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\nTo: <sip:b>;tag=x\r\n\r\n")
	want := "SIP/2.0 180 Is  Ringing\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\nTo: <sip:b>;tag=x\r\nContent-Length: 0\r\n\r\n"
	if got := string(m.AppendForwarded(nil, &Changes{PopVia: true, Hops: -1})); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestAppendForwarded_ABranchForAnOldRequest(t *testing.T) {
	m := read(t, strings.Replace(onWay, ";branch=z9hG4bKx", "", 1))
	m.Source = source
	first := string(m.AppendForwarded(nil, &Changes{Hops: -1}))
	if !strings.Contains(first, "Via: SIP/2.0/UDP h.test:5070;branch=z9hG4bK2543-") || !strings.Contains(first, "Via: SIP/2.0/TCP i;branch=z9hG4bKy\r\n") {
		t.Error(first)
	}
}

func TestAppendHopRequest(t *testing.T) {
	m := read(t, onWay)
	for _, method := range []string{"ACK", "CANCEL"} {
		want := "> " + method + " sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;rport , SIP/2.0/TCP i;branch=z9hG4bKy\r\n" +
			"Route: <sip:n1;lr>\r\nRoute: <sip:n2;lr>, <sip:n3;lr>\r\nMax-Forwards: 70\r\nFrom: \"A\"  <sip:alice@example.org> ; tag=a\r\nTo: <sip:t>;tag=u\r\n" +
			"Call-ID: id@h\r\nCSeq: 7 " + method + "\r\nContent-Length: 0\r\n\r\n"
		if got := string(m.AppendHopRequest([]byte("> "), method, []byte("<sip:t>;tag=u"))); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

func TestAppendAnswer(t *testing.T) {
	for _, c := range []struct {
		name, in string
		a        Answer
		want     string
	}{
		{"whole", onWay, Answer{Code: 486, Reason: "Busy Here", ToTag: []byte("t"), Lines: []byte("Retry-After: 3\r\n")},
			"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;rport=1234;received=192.0.2.9\r\nVia: SIP/2.0/TCP i;branch=z9hG4bKy\r\nVia: SIP/2.0/UDP j;branch=z9hG4bKz\r\n" +
				"From: \"A\"  <sip:alice@example.org> ; tag=a\r\nTo: <sip:bob@example.org>;tag=t\r\nCall-ID: id@h\r\nCSeq: 7 INVITE\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"},
		{"a tag that is there", with("To: <sip:b>;tag=old"), Answer{Code: 200, Reason: "OK", ToTag: []byte("t")},
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;received=192.0.2.9\r\nFrom: <sip:alice@example.org>;tag=a\r\nTo: <sip:b>;tag=old\r\nCall-ID: id@h\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"},
		{"without a tag", with(), Answer{Code: 100, Reason: "Trying"},
			"SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;received=192.0.2.9\r\nFrom: <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>\r\nCall-ID: id@h\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"},
		{"what is broken", "INVITE sip:b SIP/2.0\r\nVia: what?\r\nTo: \"x\r\nCSeq: y\r\n\r\n", Answer{Code: 400, Reason: "Bad Via", ToTag: []byte("t")},
			"SIP/2.0 400 Bad Via\r\nVia: what?\r\nTo: \"x\r\nCSeq: y\r\nContent-Length: 0\r\n\r\n"},
	} {
		var m Message
		if err := m.Parse([]byte(c.in), false); err != nil {
			t.Fatal(c.name, err)
		}
		if got := string(m.AppendAnswer(nil, source, &c.a)); got != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.name, got, c.want)
		}
	}
}

func TestAppendTidy_OfResponsesAndWithoutOrigin(t *testing.T) {
	response := read(t, "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP  h ;BRANCH=x;rport\r\nm: <sip:c>\r\nt:sip:b;TAG=x\r\nl: 1\r\n\r\nb")
	want := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=x;rport\r\nContact: <sip:c>\r\nTo: <sip:b>;tag=x\r\nContent-Length: 1\r\n\r\nb"
	if got := string(response.AppendTidy(nil, source, true)); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	broken := &Message{}
	if err := broken.Parse([]byte("SIP/2.0 200 OK\r\nt: \"x\r\nf: <sip:a>;y=\"\r\n\r\n"), false); err != nil {
		t.Fatal(err)
	}
	if got := string(broken.AppendTidy(nil, source, true)); got != "SIP/2.0 200 OK\r\nTo: \"x\r\nFrom: <sip:a>;y=\"\r\nContent-Length: 0\r\n\r\n" {
		t.Errorf("what nobody can read became %q", got)
	}
	for _, from := range []netip.AddrPort{source, {}} {
		got := string(read(t, with()).AppendTidy(nil, from, !from.IsValid()))
		if strings.Contains(got, OriginName) || strings.Contains(got, "received") != from.IsValid() {
			t.Errorf("from %v: %q", from, got)
		}
	}
}

// TestOldBranch_IsThatOfTheTransaction: RFC 3261 §17.2.3 by what makes two
// requests one transaction.
func TestOldBranch_IsThatOfTheTransaction(t *testing.T) {
	branch := func(changes ...string) string {
		m := read(t, with(append([]string{"Via: SIP/2.0/UDP h.test:5070"}, changes...)...))
		hop, _ := ParseVia([]byte(strings.TrimPrefix(strings.Split(string(m.AppendTidy(nil, source, false)), "\r\n")[1], "Via: ")))
		b, _ := Param(hop.Params, "branch")
		return string(b)
	}
	same := branch()
	if !strings.HasPrefix(same, "z9hG4bK2543-") || same != branch("Max-Forwards: 3") {
		t.Errorf("%s, with other hops %s", same, branch("Max-Forwards: 3"))
	}
	seen := map[string]string{same: "the first"}
	for _, change := range []string{"INVITE sip:c@d SIP/2.0", "Via: SIP/2.0/UDP other", "From: <sip:alice@example.org>;tag=b", "To: <sip:c@d>", "Call-ID: other", "CSeq: 8 INVITE"} {
		b := branch(change)
		if seen[b] != "" {
			t.Errorf("%s has the branch of %s", change, seen[b])
		}
		seen[b] = change
	}
	if got := branch("Via: SIP/2.0/UDP h.test:5070;branch=z9hG4bKown"); got != "z9hG4bKown" {
		t.Errorf("a branch of its own became %q", got)
	}
}

func TestClone_HasItsOwnText(t *testing.T) {
	buf := []byte(onWay)
	m := &Message{}
	if err := m.Parse(buf, false); err != nil {
		t.Fatal(err)
	}
	m.Source = source
	c, saved := m.Clone(), m.Save()
	for i := range buf {
		buf[i] = 'x'
	}
	var again Message
	saved.Read(&again)
	for _, got := range []*Message{c, &again} {
		if got.Source != source || string(got.Method) != "INVITE" || string(got.Body) != "body" || got.Fault != nil || len(got.Headers) != 15 || fmt.Sprintf("%s", got.Elements(Route)) != "[<sip:n1;lr> <sip:n2;lr> <sip:n3;lr>]" {
			t.Errorf("%+v", got)
		}
	}
}

func TestClone_OfAStreamStaysOne(t *testing.T) {
	m := &Message{}
	if err := m.Parse([]byte(strings.Replace(with(), "Content-Length: 0\r\n", "", 1)), true); err != nil || m.Fault == nil {
		t.Fatal(err, m.Fault)
	}
	if c := m.Clone(); c.Fault == nil {
		t.Error("the clone knows no fault")
	}
}

func TestParseTidy_BelievesWhatItReads(t *testing.T) {
	var m Message
	if err := m.ParseTidy([]byte(lines("INVITE sip:b SIP/2.0", "Content-Length: 0"))); err != nil || m.Fault != nil {
		t.Error(err, m.Fault)
	}
	if err := m.ParseTidy([]byte(lines("INVITE sip:b SIP/2.0"))); err != nil || m.Fault == nil {
		t.Error("a stream's message needs its length", err)
	}
}
