package message

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestElements_CommasThatSeparate(t *testing.T) {
	for in, want := range map[string]string{
		"<sip:a>":                        `["<sip:a>"]`,
		" <sip:a> ,\t<sip:b>,<sip:c> ":   `["<sip:a>" "<sip:b>" "<sip:c>"]`,
		`"x, y" <sip:a>, <sip:b>`:        `["\"x, y\" <sip:a>" "<sip:b>"]`,
		`"x\", y" <sip:a>,<sip:b>`:       `["\"x\\\", y\" <sip:a>" "<sip:b>"]`,
		`"x,`:                            `["\"x,"]`,
		`"<" <sip:a>,">" <sip:b>`:        `["\"<\" <sip:a>" "\">\" <sip:b>"]`,
		`<sip:a,b>;x="," ,<sip:"c,d>, e`: `["<sip:a,b>;x=\",\"" "<sip:\"c,d>" "e"]`,
		`"x, y" <sip:a>`:                 `["\"x, y\" <sip:a>"]`,
		"a,":                             `["a" ""]`,
		",a":                             `["" "a"]`,
		"":                               `[""]`,
		"<sip:a>>,b":                     `["<sip:a>>" "b"]`,
	} {
		m := Message{Headers: []Header{{Kind: Route, Value: []byte(in)}}}
		if got := fmt.Sprintf("%q", m.Elements(Route)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	m := Message{Headers: []Header{{Kind: Route, Value: []byte("a,b")}, {Kind: Path, Value: []byte("p")}, {Kind: Route, Value: []byte("c")}}}
	if got := fmt.Sprintf("%s %s", m.Elements(Route), m.Elements(Contact)); got != "[a b c] []" {
		t.Error(got)
	}
	for range m.All(Route) {
		break // whoever has enough gets no more
	}
	if !m.Has(Path) || m.Has(Contact) || m.Get(Contact) != nil || string(m.Get(Route)) != "a,b" {
		t.Errorf("%+v", m)
	}
}

func TestNextParam(t *testing.T) {
	for in, want := range map[string]string{
		";a":            `"a" -|""`,
		";a=":           `"a" ""|""`,
		" ; a\t= b ; c": `"a" "b"|"; c"`,
		";a;b=c":        `"a" -|";b=c"`,
		`;a="b;c" ;d`:   `"a" "\"b;c\""|";d"`,
		`;a="b\";c";d`:  `"a" "\"b\\\";c\""|";d"`,
		`;a="b" `:       `"a" "\"b\""|""`,
		`;a="b"c`:       "bad",
		`;a="b`:         "bad",
		`;a="b\"`:       "bad",
		"a":             "bad",
		"":              "bad",
		";a=b=c":        `"a" "b=c"|""`,
		";":             `"" -|""`,
	} {
		name, value, rest, ok := NextParam([]byte(in))
		got := "bad"
		if ok {
			got = fmt.Sprintf("%q %q|%q", name, value, rest)
			if value == nil {
				got = fmt.Sprintf("%q -|%q", name, rest)
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestParam_FindsByNameWhateverItsCase(t *testing.T) {
	const list = `;A=1;b;a=2;c="x"`
	for name, want := range map[string]string{"a": "1 true", "b": " true", "c": `"x" true`, "d": " false", "aa": " false"} {
		v, found := Param([]byte(list), name)
		if got := fmt.Sprintf("%s %v", v, found); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if _, found := Param([]byte(`;a="x;b`), "b"); found {
		t.Error("found behind a list that is broken")
	}
}

func TestTag(t *testing.T) {
	for in, want := range map[string]string{
		"<sip:a>;tag=x":           "x",
		"<sip:a>;other=1;TAG = y": "y",
		"sip:a;tag=z":             "z",
		"<sip:a;tag=inside>":      "",
		`"x" <sip:a>`:             "",
		`"x <sip:a>;tag=q`:        "",
		"":                        "",
	} {
		m := Message{Headers: []Header{{Kind: To, Value: []byte(in)}, {Kind: From, Value: []byte("<sip:b>;tag=from")}}}
		if got := string(m.Tag(To)); got != want || string(m.Tag(From)) != "from" {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestKindOf_CompactForms(t *testing.T) {
	want := map[byte]Kind{'v': Via, 'f': From, 't': To, 'i': CallID, 'l': ContentLength, 'c': ContentType, 'm': Contact, 'k': Supported, 'x': SessionExpires}
	for c := range byte(128) {
		k := want[c|0x20]
		if c < 'A' { // |0x20 would make a letter of none
			continue
		}
		if got := KindOf([]byte{c}); got != k {
			t.Errorf("%c: %v, want %v", c, got, k)
		}
	}
}

func TestParseVia(t *testing.T) {
	for in, want := range map[string]string{
		"SIP/2.0/UDP h":                        "UDP|h||",
		"sip / 2.0 / TCP\th : 5061 ; a = b":    "TCP|h|5061|; a = b",
		"SIP/2.0/UDP [2001:db8::1]:5060;lr":    "UDP|[2001:db8::1]|5060|;lr",
		"SIP/2.0/UDP [2001:db8::1]":            "UDP|[2001:db8::1]||",
		"SIP/2.0/UDP h:65535":                  "UDP|h|65535|",
		"SIP/2.0/UDP h:65536":                  "",
		"SIP/2.0/UDP h:0":                      "",
		"SIP/2.0/UDP h:":                       "",
		"SIP/2.0/UDP h_1.x-y":                  "UDP|h_1.x-y||",
		"SIP/2.0/UDP h!":                       "",
		"SIP/2.0/UDP :5060":                    "",
		"SIP/2.0/UDP ;x":                       "",
		"SIP/2.0/UDP h;x y":                    "",
		"SIP/2.0/UDP h;;":                      "",
		"SIP/2.0/U(P h":                        "",
		"SIP/2.0/UDP":                          "",
		"SIP/2.1/UDP h":                        "",
		"SIPS/2.0/UDP h":                       "",
		"SIP":                                  "",
		"SIP/2.0/UDP [::g]":                    "",
		"SIP/2.0/UDP h;received=1.2.3.4;rport": "UDP|h||;received=1.2.3.4;rport",
	} {
		h, ok := ParseVia([]byte(in))
		got := ""
		if ok {
			got = fmt.Sprintf("%s|%s|%s|%s", h.Transport, h.Host, h.Port, h.Params)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestReplyTo(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":                              "192.0.2.1:5060 true",
		"192.0.2.1:70":                           "192.0.2.1:70 true",
		"192.0.2.1:70;rport":                     "192.0.2.1:70 true",
		"192.0.2.1:70;rport=80":                  "192.0.2.1:80 true",
		"192.0.2.1;rport=65536":                  " false",
		"192.0.2.1;rport=x":                      " false",
		"h:70;received=192.0.2.2":                "192.0.2.2:70 true",
		"h:70":                                   " false",
		"[2001:db8::1]:70":                       "[2001:db8::1]:70 true",
		"192.0.2.1;received=[2001:db8::2]":       " false",
		"192.0.2.1;received=2001:db8::2;rport=9": "[2001:db8::2]:9 true",
	} {
		h, ok := ParseVia([]byte("SIP/2.0/UDP " + in))
		if !ok {
			t.Fatal(in)
		}
		to, ok := h.ReplyTo()
		got := fmt.Sprint(" ", ok)
		if ok {
			got = fmt.Sprint(to, " ", ok)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAppendTo_NotesTheSource(t *testing.T) {
	for _, c := range []struct{ via, source, want string }{
		{"SIP/2.0/UDP 192.0.2.9:5;branch=z9hG4bKa", "192.0.2.9:1", "SIP/2.0/UDP 192.0.2.9:5;branch=z9hG4bKa"},
		{"SIP/2.0/UDP 192.0.2.9:5;branch=z9hG4bKa", "[::ffff:192.0.2.9]:1", "SIP/2.0/UDP 192.0.2.9:5;branch=z9hG4bKa"},
		{"SIP/2.0/UDP h;branch=z9hG4bKa;X=Y;z", "192.0.2.9:1", "SIP/2.0/UDP h;branch=z9hG4bKa;x=Y;z;received=192.0.2.9"},
		{"SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bKa", "192.0.2.9:1", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa;rport=1;received=192.0.2.9"},
		{"SIP/2.0/UDP h;RECEIVED=6.6.6.6;Rport=66;branch=z9hG4bKa", "192.0.2.9:1", "SIP/2.0/UDP h;branch=z9hG4bKa;rport=1;received=192.0.2.9"},
		{"SIP/2.0/UDP 192.0.2.9;received=6.6.6.6;branch=z9hG4bKa", "192.0.2.9:1", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa"},
		{"SIP/2.0/UDP [2001:db8::1]:5;branch=z9hG4bKa", "[2001:db8::1]:5", "SIP/2.0/UDP [2001:db8::1]:5;branch=z9hG4bKa"},
		{"SIP/2.0/UDP h;received=6.6.6.6;rport", "", "SIP/2.0/UDP h;received=6.6.6.6;rport;branch=b"},
		{"SIP/2.0/UDP h", "192.0.2.9:1", "SIP/2.0/UDP h;branch=b;received=192.0.2.9"},
	} {
		h, ok := ParseVia([]byte(c.via))
		if !ok {
			t.Fatal(c.via)
		}
		var from netip.AddrPort
		if c.source != "" {
			from = netip.MustParseAddrPort(c.source)
		}
		if got := string(h.AppendTo(nil, from, []byte("b"))); got != c.want {
			t.Errorf("%s from %s:\n got %s\nwant %s", c.via, c.source, got, c.want)
		}
	}
}
