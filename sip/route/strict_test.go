package route

import (
	"bytes"
	"strings"
	"testing"
)

// TestOnward: a strict router is whom a request goes to, however its entry is written; the
// real Request-URI is behind it.
func TestOnward(t *testing.T) {
	for _, c := range []struct{ list, uri, want string }{
		{"", "sip:x@h", ""},
		{"<sip:r;lr>", "sip:x@h", "<sip:r;lr>"},
		{"<sip:r;LR=on> <sip:s>", "sip:x@h", "<sip:r;LR=on> <sip:s>"},
		{"sip:r;lr", "sip:x@h", "sip:r;lr"},
		{"<tel:+49> <sip:s>", "sip:x@h", "<tel:+49> <sip:s>"},
		{"<sip:r>", "sip:r", "<sip:x@h>"},
		{"<sip:r;lr2> <sip:s;lr> <sip:u>", "sip:r;lr2", "<sip:s;lr> <sip:u> <sip:x@h>"},
		{`"R"<sips:a@r:5061;transport=tls;method=BYE?Subject=x>;z=lr`, "sips:a@r:5061;transport=tls", "<sip:x@h>"},
	} {
		var list [][]byte
		for f := range strings.FieldsSeq(c.list) {
			list = append(list, []byte(f))
		}
		before := string(bytes.Join(list, []byte(" ")))
		uri, got := Onward([]byte("sip:x@h"), list)
		if string(uri) != c.uri || string(bytes.Join(got, []byte(" "))) != c.want {
			t.Errorf("%s: %s by %s, want %s by %s", c.list, uri, got, c.uri, c.want)
		}
		if string(bytes.Join(list, []byte(" "))) != before {
			t.Errorf("%s: the list is %s", c.list, list)
		}
	}
}
