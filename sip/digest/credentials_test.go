package digest

import (
	"fmt"
	"testing"
)

// shown has all parameters of credentials in one line, "-" for one that is missing.
func shown(c *Credentials) string {
	s := ""
	for _, p := range [][]byte{c.Username, c.Realm, c.Nonce, c.URI, c.Response, c.Algorithm, c.CNonce, c.QOP, c.NC} {
		if p == nil {
			s += " -"
		} else {
			s += fmt.Sprintf(" %q", p)
		}
	}
	return s[1:]
}

func TestParse_ReadsEveryParameter(t *testing.T) {
	const least = `username="u",realm="r",nonce="n",uri="sip:a",response="p"`
	const known = `"u" "r" "n" "sip:a" "p" `
	for _, c := range []struct{ value, want string }{
		{"Digest " + least, known + "- - - -"},
		{"dIGEST\t" + least, known + "- - - -"},
		{"Digest " + least + `, ALGORITHM=MD5, CNonce="c", QOP=auth, NC=00000001`, known + `"MD5" "c" "auth" "00000001"`},
		{"Digest algorithm=SHA-256 ,\t" + least, known + `"SHA-256" - - -`},
		{"Digest algorithm=x\tqop=y z=1 " + least, known + `"x" - "y" -`},
		{"Digest ,, \t," + least + ",,", known + "- - - -"},
		{"Digest algorithm \t= \t" + `"MD5" ` + least, known + `"MD5" - - -`},
		{`Digest unknown="a=b, c", cnonce="",` + least, known + `- "" - -`},
		{"Digest " + least + `,x="a \"b\", c",cnonce="a\"b"`, known + `- "a\"b" - -`},
		{"Digest " + least + ",opaque=,qop=auth, gruu", known + `- - "auth" -`},
		{"Digest gruu\t" + least, known + "- - - -"},
		{"Digest " + least + ",nc=1", known + `- - - "1"`},
	} {
		// What an earlier header said is forgotten.
		got := Credentials{Algorithm: []byte("old"), Username: []byte("old"), NC: []byte("old")}
		if ok := got.Parse([]byte(c.value)); !ok || shown(&got) != c.want {
			t.Errorf("%s:\n got %v %s\nwant %s", c.value, ok, shown(&got), c.want)
		}
	}
}

func TestParse_Refuses(t *testing.T) {
	params := []string{`username="u"`, `realm="r"`, `nonce="n"`, `uri="sip:a"`, `response="p"`}
	list := func(drop int, more string) string {
		s := "Digest "
		for i, p := range params {
			if i != drop {
				s += p + ","
			}
		}
		return s + more
	}
	bad := map[string]string{
		"no space after the scheme": "Digest=" + list(-1, "")[7:],
		"a scheme that begins so":   "Digests" + list(-1, "")[7:],
		"another scheme":            "Basics " + list(-1, "")[7:],
		"no name":                   list(-1, `="x"`),
		"no value":                  list(-1, "nc="),
		"no value, then another":    list(-1, "nc=,qop=auth"),
		"a blank value":             list(-1, "nc= \t"),
		"an open quote":             list(-1, `cnonce="`),
		"an escape that ends it":    list(-1, `cnonce="a\"`),
		"a name alone":              list(-1, "nc"),
	}
	for i, p := range params {
		bad["without "+p] = list(i, "")
		bad["twice "+p] = list(-1, p)
	}
	for what, v := range bad {
		var c Credentials
		if c.Parse([]byte(v)) {
			t.Errorf("%s: accepted %s", what, v)
		}
	}
	if v := list(-1, ""); !new(Credentials).Parse([]byte(v)) {
		t.Errorf("refused %s", v)
	}
}
