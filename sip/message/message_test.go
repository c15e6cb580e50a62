package message

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var source = netip.MustParseAddrPort("192.0.2.9:1234")

func TestKindOf_KnowsEveryName(t *testing.T) {
	for k := Via; k < kinds; k++ {
		for _, name := range []string{k.String(), strings.ToUpper(k.String()), strings.ToLower(k.String())} {
			if got := KindOf([]byte(name)); got != k {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	for name, want := range map[string]Kind{"v": Via, "M": Contact, "i": CallID, "x": SessionExpires, "z": Other, "": Other, "Vim": Other, "Contact ": Other} {
		if got := KindOf([]byte(name)); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		`sip:a@b`:                           "|sip:a@b|",
		`sip:a@b ; tag = x`:                 "|sip:a@b|; tag = x",
		`<sip:a@b;lr>;tag=x`:                "|sip:a@b;lr|;tag=x",
		`"A \"q\" <x>, b" <sip:a@b>`:        `"A \"q\" <x>, b"|sip:a@b|`,
		`caller<sip:a@b>;x="a;b>";y`:        `caller|sip:a@b|;x="a;b>";y`,
		`"A <sip:a@b>`:                      "",
		`Bell, A <sip:a@b>`:                 "",
		`< sip:a@b >`:                       "",
		`sip:a@b?Route=x`:                   "",
		`<sip:a@b`:                          "",
		`a@b`:                               "",
		`<sip:a@b>;;`:                       "",
		`<sip:a@b>x`:                        "",
		`<sip:a@b>;="x"`:                    "",
		`"x"`:                               "",
		``:                                  "",
		`<sip:a@b?Route=%3Csip:x%3E>;q=0.5`: "|sip:a@b?Route=%3Csip:x%3E|;q=0.5",
	} {
		a, ok := ParseAddress([]byte(in))
		got := ""
		if ok {
			got = string(a.Display) + "|" + string(a.URI) + "|" + string(a.Params)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestParseURI(t *testing.T) {
	for in, want := range map[string]string{
		"sip:a@b":                         "a|b|||",
		"SIPS:a:pw@b.c:5061;x=y":          "a:pw|b.c|5061|;x=y|",
		"sip:b":                           "|b|||",
		"sip:a@[2001:db8::1]:7;x?h=1":     "a|[2001:db8::1]|7|;x|?h=1",
		"sip:user;par=u%40example.net@ex": "user;par=u%40example.net|ex|||",
		"sip:a@b:0":                       "",
		"sip:a@b:70000":                   "",
		"sip:@b":                          "",
		"sip:":                            "",
		"sip:a b@c":                       "",
		"tel:+123":                        "||||",
		"x":                               "",
		":x":                              "",
		"sip:a@b c":                       "",
		"sip:a@b/c":                       "",
	} {
		u, ok := ParseURI([]byte(in))
		got := ""
		if ok {
			got = strings.Join([]string{string(u.User), string(u.Host), string(u.Port), string(u.Params), string(u.Headers)}, "|")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestEqualURI has the examples of RFC 3261 §19.1.4.
func TestEqualURI(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:a@b", "sips:a@b", false},
		{"tel:1", "tel:1", true},
		{"tel:1", "tel:01", false},
	} {
		if got := EqualURI([]byte(c.a), []byte(c.b)); got != c.want || EqualURI([]byte(c.b), []byte(c.a)) != got {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

func TestAppendTidy(t *testing.T) {
	in := "OPTIONS sip:a@b SIP/2.0\r\nv : SIP / 2.0 / UDP h.test : 5070 ; RPORT ; Branch = z9hG4bKx ,SIP/2.0/TCP i;received=1.2.3.4\r\n" +
		"t:\"x\"   <sip:a@b> ; TAG = y\r\nFrom: sip:c@d\r\n ;tag=z\r\nCall-ID: i\r\nCSeq:  7\r\n\tOPTIONS\r\nX-Sipcluster-Origin: 6.6.6.6:6\r\nY: a  b\r\nl: 2\r\n\r\nhi there"
	want := "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx;rport=1234;received=192.0.2.9\r\nVia: SIP/2.0/TCP i;received=1.2.3.4\r\n" +
		"To: \"x\" <sip:a@b>;tag=y\r\nFrom: <sip:c@d>;tag=z\r\nCall-ID: i\r\nCSeq: 7 OPTIONS\r\nY: a  b\r\nX-Sipcluster-Origin: 192.0.2.9:1234\r\nContent-Length: 2\r\n\r\nhi"
	var m Message
	if err := m.Parse([]byte(in), false); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	// CSeq was folded: what is between is white space.
	got := strings.Replace(string(m.AppendTidy(nil, source, true)), "7  \tOPTIONS", "7 OPTIONS", 1)
	if got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

func TestAnswer_GoesBackWhereRFC3581Says(t *testing.T) {
	for via, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.9:99;branch=z9hG4bKa":             "192.0.2.9:99",
		"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa":                "192.0.2.9:5060",
		"SIP/2.0/UDP 10.0.0.1:99;rport;branch=z9hG4bKa":        "192.0.2.9:1234",
		"SIP/2.0/UDP 10.0.0.1:99;branch=z9hG4bKa":              "192.0.2.9:99",
		"SIP/2.0/UDP host;received=6.6.6.6;rport=1;branch=z9a": "192.0.2.9:1234",
	} {
		hop, ok := ParseVia([]byte(via))
		if !ok {
			t.Fatal(via)
		}
		out := hop.AppendTo(nil, source, nil)
		back, _ := ParseVia(out)
		if got, ok := back.ReplyTo(); !ok || got.String() != want {
			t.Errorf("%s: %s, want %s", out, got, want)
		}
	}
}

func TestFrame(t *testing.T) {
	head := "X sip:a SIP/2.0\r\nContent-Length"
	for _, c := range []struct {
		in   string
		n    int
		fail error
	}{
		{head + ": 3\r\n\r\nabcX", len(head) + 10, nil},
		{head + ": 3\r\n\r\nab", 0, nil},
		{head + ": 3\r\n", 0, nil},
		{head + ":\r\n 3\r\n\r\nabc", len(head) + 12, nil},
		{head + ": x\r\n\r\n", len(head) + 7, ErrFraming},
		{"X sip:a SIP/2.0\r\n\r\n", 19, ErrFraming},
		{head + ": 3\r\nl: 4\r\n\r\n", len(head) + 13, ErrFraming},
		{head + ": 999\r\n\r\n", len(head) + 9, ErrTooLarge},
		{strings.Repeat("x", 201), 0, ErrTooLarge},
		{"", 0, nil},
	} {
		if n, err := Frame([]byte(c.in), 200); n != c.n || !errors.Is(err, c.fail) {
			t.Errorf("%q: %d %v, want %d %v", c.in, n, err, c.n, c.fail)
		}
	}
}

// FuzzParse holds that nothing crashes the reader, that what it finds well
// formed stays so when it is written tidily, and that tidy is a fixed point.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("../testdata/rfc4475/*.dat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Frame(bytes.Clone(data), 4096)
		var m, again Message
		if m.Parse(bytes.Clone(data), false) != nil {
			return
		}
		m.AppendAnswer(nil, source, &Answer{Code: 400, Reason: "x", ToTag: []byte("t")})
		tidy := m.AppendTidy(nil, source, false)
		if m.Fault != nil {
			return
		}
		if err := again.Parse(bytes.Clone(tidy), true); err != nil || again.Fault != nil {
			t.Fatalf("tidy is not well formed: %v %v\n%q\n%q", err, again.Fault, data, tidy)
		}
		if !m.IsRequest() {
			return
		}
		if twice := again.AppendTidy(nil, source, false); !bytes.Equal(tidy, twice) {
			t.Fatalf("tidy twice:\n%q\n%q", tidy, twice)
		}
	})
}
