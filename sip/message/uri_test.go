package message

import (
	"errors"
	"strings"
	"testing"
)

func TestParseURI_WhatAHostAndAPortAre(t *testing.T) {
	for in, want := range map[string]bool{
		"sip:a@b:1":              true,
		"sip:a@b:65535":          true,
		"sip:a@b:65536":          false,
		"sip:a@b:":               false,
		"sip:a@b:x":              false,
		"sip:a@b:5060:1":         false,
		"sip:a@b-c_d.E9":         true,
		"sip:a@b!":               false,
		"sip:a@b[":               false,
		"sip:a@[::1]":            true,
		"sip:a@[::ffff:1.2.3.4]": true,
		"sip:a@[::1":             false,
		"sip:a@[]":               false,
		"sip:a@[::g]":            false,
		"sip:a@[::1]x":           false,
		"sip:a@:5060":            false,
		"sip:a@b;x=\"y\"":        false,
		"sip:a@b\x7f":            false,
		"sip:a@b\x01":            false,
		"sip:a>@b":               false,
		"sip:a<@b":               false,
		"sip:a@b@c":              true, // the last one counts
		"sip:?x@b":               true, // the user part may hold it
		"sip:@":                  false,
		"s-i+p.9:x":              true,
		"9sip:x":                 false,
		"-s:x":                   false,
		"s_p:x":                  false,
		"sip:{":                  false,
		"sip:a\x7f@b":            false,
		"tel:\x7f":               false,
		"s{:x":                   false,
		"s`:x":                   false,
		"s@:x":                   false,
		"s[:x":                   false,
		"s/:x":                   false,
		"az09:x":                 true,
		"ZA:x":                   true,
		"sip:z@za.ZA":            true,
		"sip:`":                  false,
		"tel:":                   false,
	} {
		if _, ok := ParseURI([]byte(in)); ok != want {
			t.Errorf("%q: %v", in, ok)
		}
	}
	u, _ := ParseURI([]byte("SIPS:a@b"))
	tel, _ := ParseURI([]byte("tel:+1;x=y"))
	if !u.IsSIP() || tel.IsSIP() || string(tel.Rest) != "+1;x=y" || string(tel.Scheme) != "tel" {
		t.Errorf("%s, %s", u.Scheme, tel.Rest)
	}
	u, _ = ParseURI([]byte("sip:a@b@c;x?h"))
	if string(u.User) != "a@b" || string(u.Host) != "c" || string(u.Params) != ";x" || string(u.Headers) != "?h" {
		t.Errorf("%+v", u)
	}
}

func TestEqualURI_ByPart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"sip:a@b;user=ip", "sip:a@b", false},
		{"sip:a@b;ttl=1", "sip:a@b", false},
		{"sip:a@b;method=BYE", "sip:a@b", false},
		{"sip:a@b;maddr=1.2.3.4", "sip:a@b", false},
		{"sip:a@b;Transport=tcp", "sip:a@b", false},
		{"sip:a@b;lr", "sip:a@b", true},
		{"sip:a@b;x=%41", "sip:a@b;x=a", true},
		{"sip:a@b;x=1;y=2", "sip:a@b;Y=2;x=1", true},
		{"sip:a@b;x=1", "sip:a@b;x=12", false},
		{"sip:a@b;x=1", "sip:a@b;x=2", false},
		{"sip:%30@b", "sip:0@b", true},
		{"sip:%4f@b", "sip:O@b", true},
		{"sip:a@b;x=\"", "sip:a@b;x=1", false},
		{"sip:%41@b", "sip:A@b", true},
		{"sip:%4a@b", "sip:%4A@b", true},
		{"sip:%4A@b", "sip:J@b", true},
		{"sip:%7A@b", "sip:z@b", true},
		{"sip:%39@b", "sip:9@b", true},
		{"sip:%3g@b", "sip:3@b", false},
		{"sip:%g3@b", "sip:3@b", false},
		{"sip:%4@b", "sip:%4@B", true},
		{"sip:%@b", "sip:%@B", true},
		{"sip:a@b", "sip:A@b", false},
		{"sip:a@b", "sip:ab@b", false},
		{"sip:a:p@b", "sip:a@b", false},
		{"sip:a@b?x=1&y=2", "sip:a@b?y=2&x=1", true},
		{"sip:a@b?x=1&y=2", "sip:a@b?x=1&y=3", false},
		{"sip:a@b?x=1&y=2", "sip:a@b?x=1&y=22", false},
		{"sip:a@b?xx&y", "sip:a@b?xx&&", false},
		{"sip:a@b", "tel:1", false},
		{"sip:a@b", "nonsense", false},
		{"sip:a@b", "sip:a@c", false},
		{"sip:a@b:5", "sip:a@B:5", true},
	} {
		if got := EqualURI([]byte(c.a), []byte(c.b)); got != c.want || EqualURI([]byte(c.b), []byte(c.a)) != got {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

func TestAppendUnescaped(t *testing.T) {
	for in, want := range map[string]string{"": ">", "ab": ">ab", "%41b%2bc": ">Ab+c", "%4": ">%4", "%": ">%", "a%zz": ">a%zz", "%25%34%31": ">%41", "%/1": ">%/1", "%1/": ">%1/", "%`1": ">%`1", "%:1": ">%:1", "%4g": ">%4g", "%30%4F": ">0O"} {
		if got := string(AppendUnescaped([]byte(">"), []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestIsToken(t *testing.T) {
	const in = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"
	for c := range 256 {
		if got := IsToken([]byte{byte(c)}); got != (strings.IndexByte(in, byte(c)) >= 0) {
			t.Errorf("%q: %v", byte(c), got)
		}
	}
	if IsToken(nil) || !IsToken([]byte(in)) || IsToken([]byte("a b")) {
		t.Error("a token is one character at least, all of them its own")
	}
}

func TestFrame_AtItsLimits(t *testing.T) {
	const head = "X sip:a SIP/2.0\r\nl: 3\r\n\r\n"
	for _, c := range []struct {
		in    string
		limit int
		n     int
		fail  error
	}{
		{head + "abc", len(head) + 3, len(head) + 3, nil},
		{head + "abc", len(head) + 2, len(head), ErrTooLarge},
		{head + "ab", len(head) + 3, 0, nil},
		{head + "abcX sip", 100, len(head) + 3, nil},
		{head[:len(head)-1], len(head) - 1, 0, nil},
		{head[:len(head)-1], len(head) - 2, 0, ErrTooLarge},
		{"X sip:a SIP/2.0\nl: 3\n\nabc", 100, 25, nil},
		{"X sip:a SIP/2.0\r\nl: 3\nl: 3\r\n\r\nabc", 100, 33, nil},
		{"X sip:a SIP/2.0\r\nl:\r\n\t3\r\n\r\nabc", 100, 30, nil},
		{"X sip:a SIP/2.0\r\nY: z\r\n l: 9\r\nContent-Length \t: \t0 \r\n\r\n", 100, 55, nil},
		{"X sip:a SIP/2.0\r\nl: 2147483648\r\n\r\n", 1000, 34, ErrTooLarge},
		{"X sip:a SIP/2.0\r\nl: 2147483649\r\n\r\n", 1000, 34, ErrFraming},
		{"X sip:a SIP/2.0\r\nl: -1\r\n\r\n", 1000, 26, ErrFraming},
		{"X sip:a SIP/2.0\r\nl: 0\r\nl: 1\r\n\r\n", 1000, 31, ErrFraming},
	} {
		before := c.in
		data := []byte(c.in)
		if n, err := Frame(data, c.limit); n != c.n || !errors.Is(err, c.fail) {
			t.Errorf("%q within %d: %d %v, want %d %v", c.in, c.limit, n, err, c.n, c.fail)
		}
		if string(data) != before {
			t.Errorf("%q was changed to %q", before, data)
		}
	}
}

func TestParseAddress_WhatItRefuses(t *testing.T) {
	for in, want := range map[string]bool{
		`<sip:a@b>`:                  true,
		` "x" <sip:a@b> `:            true,
		`"x"<sip:a@b>`:               true,
		`"x" sip:a@b`:                false,
		`"x" y <sip:a@b>`:            false,
		`x y <sip:a@b>`:              true,
		`x;y <sip:a@b>`:              false,
		`x>y <sip:a@b>`:              false,
		`x"y <sip:a@b>`:              false,
		`<<sip:a@b>>`:                false,
		`<sip:a"b>`:                  false,
		"<sip:a\tb>":                 false,
		`<:a>`:                       false,
		`:a`:                         false,
		`sip:a@b,sip:c@d`:            false,
		`sip:a b`:                    false,
		"sip:a\tb":                   false,
		`sip:a>b`:                    false,
		`sip:a"b"`:                   false,
		`sip:a@b;x y=z`:              false,
		`sip:a@b;x=y z`:              true,
		`<sip:a@b>;x="y`:             false,
		`<sip:a@b>;x="y"z`:           false,
		`<sip:a@b>;x="y\"`:           false,
		`<sip:a@b> ; x = "y;z" ; w `: true,
	} {
		if _, ok := ParseAddress([]byte(in)); ok != want {
			t.Errorf("%q: %v", in, ok)
		}
	}
}

func TestRequestURI_IsWithoutHeadersAndMethod(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:1002@h":                                    "sip:1002@h",
		"sip:1002@h?Replaces=a%40b&Subject=x":           "sip:1002@h",
		"sip:1002@h:5060;transport=tcp;METHOD=BYE;ob":   "sip:1002@h:5060;transport=tcp;ob",
		"sips:a@[::1]:5061;method=INVITE?Route=%3Cx%3E": "sips:a@[::1]:5061",
		"sip:1002@h;methods=x":                          "sip:1002@h;methods=x",
		"sip:h;lr":                                      "sip:h;lr",
		"tel:+49?x;method=y":                            "tel:+49?x;method=y",
	} {
		if got := string(RequestURI([]byte(uri))); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}
