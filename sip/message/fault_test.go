package message

import (
	"fmt"
	"strings"
	"testing"
)

// lines is a message of these lines, without a body.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }

// good is a request without a fault; each test breaks one line of it.
var good = []string{
	"INVITE sip:bob@example.org SIP/2.0",
	"Via: SIP/2.0/UDP h.test:5070;branch=z9hG4bKx",
	"Max-Forwards: 70",
	"From: <sip:alice@example.org>;tag=a",
	"To: <sip:bob@example.org>",
	"Call-ID: id@h",
	"CSeq: 7 INVITE",
	"Contact: <sip:alice@h.test:5070>",
	"Content-Length: 0",
}

// with is the good request with the line that begins with the same word
// replaced, or added at the end; "-Name" removes one.
func with(changes ...string) string {
	all := append([]string(nil), good...)
	for _, c := range changes {
		name, _, _ := strings.Cut(strings.TrimPrefix(c, "-"), " ")
		name = strings.TrimSuffix(name, ":")
		at := -1
		for i, l := range all {
			if strings.HasPrefix(l, name) {
				at = i
			}
		}
		switch {
		case strings.HasPrefix(c, "-"):
			all = append(all[:at], all[at+1:]...)
		case at >= 0:
			all[at] = c
		default:
			all = append(all, c)
		}
	}
	return lines(all...)
}

// also is the good request with more header lines.
func also(more ...string) string { return lines(append(append([]string(nil), good...), more...)...) }

func TestParse_TellsWhatIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		with():                             "",
		"\r\n\r\n" + with():                "",
		with("-Max-Forwards"):              "",
		with("-Contact"):                   "",
		with("INVITE urn:+1555 SIP/2.0"):   "416 Unsupported URI Scheme",
		with("INVITE sip:b@c sip/2.0"):     "",
		with("INVITE sip:b@c SIP/7.0"):     "505 SIP Version Not Supported",
		with("INVITE sip:b@c"):             "400 Request line without SIP version",
		with("INVITE sip:b@c?h=x SIP/2.0"): "400 Request-URI with headers",
		with("INVITE urn:1?h=x SIP/2.0"):   "416 Unsupported URI Scheme",
		with("INVITE <sip:b@c> SIP/2.0"):   "400 Bad Request-URI",
		with("INVITE  sip:b@c SIP/2.0"):    "400 White space in request line",
		with("INVITE sip:b@c SIP/2.0 "):    "400 White space in request line",
		with("INVITE sip:b@c  SIP/2.0"):    "400 White space in request line",
		with("INVITE sip:b@c x SIP/2.0"):   "400 White space in request line",
		with("-Via"):                       "400 Missing Via",
		with("-From"):                      "400 Missing From",
		with("-To"):                        "400 Missing To",
		with("-Call-ID"):                   "400 Missing Call-ID",
		with("-CSeq"):                      "400 Missing CSeq",
		also("f: <sip:a@b>;tag=b"):         "400 More than one From",
		also("To: <sip:a@b>"):              "400 More than one To",
		also("i: other"):                   "400 More than one Call-ID",
		also("CSeq: 7 INVITE"):             "400 More than one CSeq",
		also("Max-Forwards: 70"):           "400 More than one Max-Forwards",
		also("c: a/b", "c: a/b"):           "400 More than one Content-Type",
		also("Expires: 1", "Expires: 1"):   "400 More than one Expires",
		also("Contact: <sip:x@y>", "X: 1", "X: 2", "Route: <sip:x;lr>", "Route: <sip:y>"): "",
		with("Call-ID:"):                                        "400 Bad Call-ID",
		with("Call-ID: a b"):                                    "400 Bad Call-ID",
		with("Call-ID: a\tb"):                                   "400 Bad Call-ID",
		with("CSeq: INVITE"):                                    "400 Bad CSeq",
		with("CSeq: 7"):                                         "400 Bad CSeq",
		with("CSeq: x INVITE"):                                  "400 Bad CSeq",
		with("CSeq: 2147483647 INVITE"):                         "",
		with("CSeq: 2147483648 INVITE"):                         "400 Bad CSeq",
		with("CSeq: 7 INVITE x"):                                "400 Bad CSeq",
		with("CSeq: 7 invite"):                                  "400 CSeq of another method",
		with("CSeq: 7 \t INVITE"):                               "",
		with("Max-Forwards: 0"):                                 "",
		with("Max-Forwards: 255"):                               "",
		with("Max-Forwards: 256"):                               "400 Bad Max-Forwards",
		with("Max-Forwards: -1"):                                "400 Bad Max-Forwards",
		with("Max-Forwards:"):                                   "400 Bad Max-Forwards",
		with("Via: SIP/2.0/UDP h;branch=z9hG4bK"):               "400 Via branch without transaction id",
		with("Via: SIP/2.0/UDP h;branch=z9hG4bKx, SIP/2.0/UDP"): "400 Bad Via",
		with("Via: SIP/2.0/UDP h;branch=z9hG4bKx,"):             "400 Bad Via",
		also("Via: x"):                                          "400 Bad Via",
		also("v: SIP/2.0/UDP i"):                                "",
		with("Via: SIP/2.0/UDP h"):                              "",
		with("Via: SIP/3.0/UDP h;branch=z9hG4bKx"):              "400 Bad Via",
		with("Via: HTTP/2.0/UDP h;branch=z9hG4bKx"):             "400 Bad Via",
		with("From: sip:alice"):                                 "",
		with("From: alice"):                                     "400 Bad From",
		with("From: <sip:a@b>;tag=x, <sip:c@d>;tag=y"):          "400 Bad From", // one alone may be there
		with("From: sip:a@b;tag=x,sip:c@d"):                     "400 Bad From",
		with("To: <sip:a@b>;x=<y>"):                             "400 Bad To",
		with(`To: <sip:a@b>;x="y, <z>"`):                        "",
		with("From: <sip:a@b:0>;tag=x"):                         "400 Bad From",
		with("To: <sip:a b>"):                                   "400 Bad To",
		with("To: <sip:a@b>;tag="):                              "400 Empty tag in To",
		with("To: <sip:a@b>;x=y;TAG"):                           "400 Empty tag in To",
		with("Contact: *"):                                      "",
		with("Contact: <sip:x>, <sip:y>;q=1"):                   "",
		with("Contact: <sip:x>, y"):                             "400 Bad Contact",
		with("Contact: x, <sip:y>"):                             "400 Bad Contact",
		with("Contact: <sip:x@y:99999>"):                        "400 Bad Contact",
		also("Route: *"):                                        "400 Bad Route",
		also("Record-Route: *"):                                 "400 Bad Record-Route",
		also("Path: x"):                                         "400 Bad Path",
		also("no colon"):                                        "400 Header line without colon",
		also("bad name: x"):                                     "400 Bad header name",
		also(": x"):                                             "400 Bad header name",
		also("X: a\rb"):                                         "400 Control character in header",
		also("X: a\x00b"):                                       "400 Control character in header",
		also("X: \x00"):                                         "400 Control character in header",
		also("\x00: a"):                                         "400 Control character in header",
		also("X: a\\\x00b"):                                     "",
		also("X: a\\\x00\x00"):                                  "400 Control character in header",
		also("X: a\\\x00b\x00"):                                 "400 Control character in header",
		with("Content-Length: 1"):                               "400 Content-Length beyond the end of the message",
		with("Content-Length: x"):                               "400 Bad Content-Length",
		with("Content-Length:"):                                 "400 Bad Content-Length",
		also("l: 0"):                                            "",
		also("l: 1"):                                            "400 Bad Content-Length",
		with("Content-Length: 4294967296"):                      "400 Bad Content-Length",
		with("-Content-Length"):                                 "",
		strings.Replace(with(), "\r\nTo", "\nTo", 1):            "400 Line ends with LF, not CRLF",
		strings.TrimSuffix(with(), "\r\n"):                      "400 No empty line after the headers",
		strings.TrimSuffix(with(), "\r\n\r\n"):                  "400 Line without CRLF",
		strings.Replace(with(), ";tag=a", ";tag=a\r\n ;x=y", 1): "",
		strings.Replace(with(), ";tag=a", ";tag=a\n\t;x=y", 1):  "400 Line ends with LF, not CRLF",
		strings.Replace(with(), "z9hG4bKx", "z9hG4bKx\r\n ,SIP/2.0/UDP\r\n\tj", 1): "",
		also("X: a\\\x00"): "",
	} {
		var m Message
		err := m.Parse([]byte(in), false)
		got := ""
		if m.Fault != nil {
			got = m.Fault.Error()
		}
		if err != nil || got != want {
			t.Errorf("%q:\n got %q, %v\nwant %q", in, got, err, want)
		}
	}
}

func TestTopVia(t *testing.T) {
	for in, want := range map[string]string{
		with():            "h.test",
		with("Via: what"): "",
		with("-Via"):      "",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP one, SIP/2.0/UDP two\r\nVia: SIP/2.0/UDP three\r\n\r\n": "one",
		"SIP/2.0 200 OK\r\nVia: x\r\n\r\n": "",
	} {
		var m Message
		if err := m.Parse([]byte(in), false); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second answer is remembered
			if hop, ok := m.TopVia(); string(hop.Host) != want || ok != (want != "") {
				t.Errorf("%q: %q, %v", in, hop.Host, ok)
			}
		}
	}
}

func TestParse_TellsNoiseFromSIP(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "noise",
		"\r\n\r\n":                     "noise",
		"GET / HTTP/1.1\r\n\r\n":       "noise",
		"hello\r\n\r\n":                "noise",
		"a@b sip:x SIP/2.0\r\n\r\n":    "noise",
		"SIP/2.0\r\n\r\n":              "noise",
		"X sip:x\r\n\r\n":              "request",
		"X y z SIP/2.0\r\n\r\n":        "request",
		"SIP/2.0 200 OK\r\n\r\n":       "200 OK",
		"sip/2.0 200 \r\n\r\n":         "200 ",
		"SIP/2.0 404 Not Found\r\n":    "404 Not Found, No empty line after the headers",
		"SIP/2.0 100\r\n\r\n":          "100 ",
		"SIP/2.0 099 x\r\n\r\n":        "-1 , Bad status line",
		"SIP/2.0 1000 x\r\n\r\n":       "-1 , Bad status line",
		"SIP/2.0 0200 x\r\n\r\n":       "-1 , Bad status line",
		"SIP/2.0 699 x\r\n\r\n":        "699 x",
		"SIP/2.0 700 x\r\n\r\n":        "-1 , Bad status line",
		"SIP/3.0 200 x\r\n\r\n":        "-1 , Bad status line",
		"SIP/2.0 x00 x\r\n\r\n":        "-1 , Bad status line",
		"SIP/2.0  200 OK\r\n\r\n":      "-1 , Bad status line",
		"SIP/2.0 200 OK  then\r\n\r\n": "200 OK  then",
	} {
		var m Message
		got := "noise"
		if m.Parse([]byte(in), false) == nil {
			got = "request"
			if !m.IsRequest() {
				got = fmt.Sprintf("%d %s", m.Status, m.Reason)
				if m.Fault != nil {
					got += ", " + m.Fault.Reason
				}
			}
		} else if m.Method != nil || m.URI != nil {
			t.Errorf("%q is noise and has a method", in)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestParse_BodyEndsWhereTheLengthSays(t *testing.T) {
	for _, c := range []struct {
		head   string
		stream bool
		body   string
		fault  string
	}{
		{with("Content-Length: 2"), false, "ab", ""},
		{with("Content-Length: 2"), true, "ab", ""},
		{with("Content-Length: 2") + " b", true, " b", ""}, // no header line that goes on
		{with("Content-Length: 2") + "\tb", false, "\tb", ""},
		{with("-Content-Length"), false, "abcd", ""},
		{with("-Content-Length"), true, "", "Missing Content-Length"},
		{with("Content-Length: 4"), true, "abcd", ""},
		{with("Content-Length: 5"), true, "", "Content-Length beyond the end of the message"},
		{with("Content-Length: 0"), true, "", ""},
	} {
		var m Message
		err := m.Parse([]byte(c.head+"abcd"), c.stream)
		if err != nil || string(m.Body) != c.body || (m.Fault == nil) != (c.fault == "") || m.Fault != nil && m.Fault.Reason != c.fault {
			t.Errorf("%q as a stream %v: body %q, %v, %v", c.head, c.stream, m.Body, m.Fault, err)
		}
	}
}

// TestParse_AReaderIsUsedAgain: nothing of the message before is left.
func TestParse_AReaderIsUsedAgain(t *testing.T) {
	var m Message
	_ = m.Parse([]byte("SIP/2.0 600 Busy\r\nX: y\r\nVia: SIP/2.0/UDP first\r\nContent-Length: 9\r\n\r\nbody"), true)
	m.TopVia()
	if m.Fault == nil {
		t.Fatal("no fault")
	}
	if err := m.Parse([]byte(with()), true); err != nil || m.Fault != nil || !m.IsRequest() || len(m.Headers) != len(good)-1 || len(m.Body) > 0 || m.Has(Other) {
		t.Errorf("%+v, %v", m, err)
	}
	if hop, ok := m.TopVia(); !ok || string(hop.Host) != "h.test" {
		t.Errorf("top Via %s", hop.Host)
	}
}
