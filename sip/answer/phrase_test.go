package answer

import (
	"strings"
	"testing"
)

// TestPhrase_EndsNoLine: whoever's text it is, an agent's id among it.
func TestPhrase_EndsNoLine(t *testing.T) {
	for text, want := range map[string]string{
		"Temporarily Unavailable":                              "Temporarily Unavailable",
		"another agent, 7\r\nVia: SIP/2.0/UDP x, is logged in": "another agent, 7Via: SIP/2.0/UDP x, is logged in",
		"\x00\u0085\n":                     "",
		strings.Repeat("a", 500):           strings.Repeat("a", maxPhrase),
		strings.Repeat("\u00e9", 500):      strings.Repeat("\u00e9", maxPhrase/2),
		"a" + strings.Repeat("\u00e9", 99): "a" + strings.Repeat("\u00e9", maxPhrase/2-1),
	} {
		if got := Phrase(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
