package proxy

import "testing"

// TestOurs: of a request that comes back as refused the first lines suffice, and
// what is not one of ours says nothing.
func TestOurs(t *testing.T) {
	const via = "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch="
	for text, want := range map[string]string{
		"INVITE sip:1002@h SIP/2.0\r\n" + via + "z9hG4bKsc1\r\nVia: SIP/2.0/UDP cut o": "INVITE z9hG4bKsc1",
		"BYE sip:1002@h SIP/2.0\r\n" + via + "z9hG4bKsc2\r\n":                          "BYE z9hG4bKsc2",
		"INVITE sip:1002@h SIP/2.0\r\n" + via + "z9hG4bKsc1":                           " ", // its end may be missing
		"INVITE sip:1002@h SIP/2.0\r\n" + via + "z9hG4bKping1\r\n":                     " ",
		"INVITE sip:1002@h SIP/2.0\r\n" + via + "z9hG4bK1\r\n":                         " ",
		"INVITE sip:1002@h SIP/2.0\r\nMax-Forwards: 70\r\n":                            " ",
		"INVITE s":           " ",
		"":                   " ",
		"\r\n\r\nVia: \r\n":  " ",
		"x\r\nVia: \r\n\r\n": " ",
	} {
		method, branch := ours([]byte(text))
		if got := string(method) + " " + string(branch); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
