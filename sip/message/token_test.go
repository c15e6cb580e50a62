package message

import (
	"bytes"
	"slices"
	"testing"
)

func TestParseAddress_BracketInAParameterIsNone(t *testing.T) {
	for _, v := range []string{`sip:a@b;x="c <sip:d@e>;tag=1";tag=2`, `<sip:a@b>;x="c <sip:d@e>;tag=1";tag=2`, `"<sip:d@e>;tag=1" <sip:a@b>;tag=2`} {
		a, ok := ParseAddress([]byte(v))
		if tag, _ := Param(a.Params, "tag"); !ok || string(a.URI) != "sip:a@b" || string(tag) != "2" {
			t.Errorf("%s: %s %s %v", v, a.URI, tag, ok)
		}
	}
}

func TestUnquoted(t *testing.T) {
	for v, want := range map[string]string{`"a\"b\\c\d"`: `a"b\cd`, `"x"`: "x", `""`: "", "token": "token", `"`: `"`, `a\b`: `a\b`} {
		if got := Unquoted([]byte(v)); string(got) != want {
			t.Errorf("%s: %s", v, got)
		}
	}
	if Unquoted(nil) != nil {
		t.Error("no value is one")
	}
}

func TestIs_ByNameOrCompactForm(t *testing.T) {
	for _, c := range []struct {
		name, of string
		want     bool
	}{{"Refer-To", "refer-to", true}, {"R", "refer-to", true}, {"o", "event", true}, {"o", "subject", false}, {"X", "x", false}, {"-", "", false}, {"Via", "via", false}} {
		h := Header{Kind: KindOf([]byte(c.name)), Name: []byte(c.name)}
		if c.of == "" && len(c.name) == 1 {
			continue // nobody asks for it
		}
		if got := h.Is(c.of); got != c.want {
			t.Errorf("%s is %s: %v", c.name, c.of, got)
		}
	}
}

func TestURIHeader(t *testing.T) {
	u, _ := ParseURI([]byte("sip:a@b;x?X=1&%52eplaces=c%40d%3Bto-tag%3D1%3bfrom-tag%3D2&replaces=no"))
	id, params := Leading(URIHeader(u.Headers, "replaces"))
	if to, _ := Param(params, "to-tag"); string(id) != "c@d" || string(to) != "1" {
		t.Errorf("%s %s", id, params)
	}
	if !EqualURI([]byte("sip:a@b?x=1&Y=%41"), []byte("sip:a@b?y=A&X=1")) || EqualURI([]byte("sip:a@b?x=1"), []byte("sip:a@b?x=1&y=2")) {
		t.Error("headers of URIs are compared wrongly")
	}
}

func TestMasked_HoldsNoQuotesAndGivesThemBack(t *testing.T) {
	params := []byte(`;branch=z9hG4bKa;x="a;b,c=\"";y="";z=~quoted~22`)
	masked := Masked(params)
	if bytes.IndexByte(masked, '"') >= 0 || !validParams(masked) {
		t.Errorf("%s", masked)
	}
	for p := masked; len(p) > 0; {
		name, v, rest, _ := NextParam(p)
		if want, _ := Param(params, string(name)); Unmasked(string(v)) != string(want) {
			t.Errorf("%s: %s", name, Unmasked(string(v)))
		}
		p = rest
	}
}

// FuzzTokens holds that what the tokenizer takes apart is all that there was, and that
// nothing is read outside of it.
func FuzzTokens(f *testing.F) {
	for _, v := range []string{`a;b="c;d,\"e";f , "g,h" <i,j>;k`, `Digest a="b\"c", d=e,f`, `;a;b=`, `"`, `"\`, `<`, "a\t b", `1 (c "d") ;e`, `?a=b&c`} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		elements := slices.Collect(Elements(v))
		size := len(elements) - 1
		for _, one := range elements {
			size += len(one)
		}
		if size > len(v) || bytes.IndexByte(v, ',') < 0 && len(elements) != 1 {
			t.Fatalf("%q has the elements %q", v, elements)
		}
		for p := v; len(p) > 0; {
			_, _, rest, ok := NextParam(p)
			if !ok || len(rest) >= len(p) {
				if ok {
					t.Fatalf("%q: no end", p)
				}
				break
			}
			p = rest
		}
		for p := v; len(p) > 0; {
			_, value, rest, ok := NextAuthParam(p)
			if !ok {
				break
			}
			if len(rest) >= len(p) || len(value) > len(p) {
				t.Fatalf("%q: no end", p)
			}
			p = rest
		}
		if head, params := Leading(v); len(head)+len(params) > len(v) {
			t.Fatalf("%q", v)
		}
		if len(Unquoted(v)) > len(v) || len(Unescaped(v)) > len(v) {
			t.Fatalf("%q", v)
		}
		if word, rest := NextWord(v); len(word)+len(rest) > len(v) {
			t.Fatalf("%q", v)
		}
		a, ok := ParseAddress(v)
		if ok && (len(a.URI) == 0 || len(a.Params) > 0 && a.Params[0] != ';') {
			t.Fatalf("%q is %+v", v, a)
		}
		if u, ok := ParseURI(v); ok && u.IsSIP() && !EqualURI(v, v) {
			t.Fatalf("%q is not itself", v)
		} else if ok {
			URIHeader(u.Headers, "replaces")
			RequestURI(v)
		}
		ParseVia(v)
		ParseCSeq(v)
	})
}
