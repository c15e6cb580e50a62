package proxy

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

// TestBecomes: what a NOTIFY says of a transfer, however its headers are spelled.
func TestBecomes(t *testing.T) {
	for text, want := range map[string]int{
		"NOTIFY|Event: refer|SIP/2.0 100 Trying\r\n":           100,
		"NOTIFY|o: refer;id=93809824|SIP/2.0 200 OK":           200,
		"NOTIFY|EVENT : Refer ; id=2|SIP/2.0 603 Declined\r\n": 603,
		"NOTIFY|Event: refer|":                                 0,
		"NOTIFY|Event: refer|SIP/2.0 99 Odd":                   0,
		"NOTIFY|Event: refer|SIP/2.0 1000 Odd":                 0,
		"NOTIFY|Event: message-summary|SIP/2.0 200 OK":         0,
		"NOTIFY|Event: referral|SIP/2.0 200 OK":                0,
		"INFO|Event: refer|SIP/2.0 200 OK":                     0,
	} {
		p := strings.Split(text, "|")
		raw := p[0] + " sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 " + p[0] + "\r\n" + p[1] + "\r\n\r\n" + p[2]
		var m message.Message
		if f := m.Parse([]byte(raw), false); f != nil {
			t.Fatalf("%s: %v", text, f)
		}
		if got := becomes(&m); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
