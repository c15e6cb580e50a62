package message_test

import (
	"testing"

	"github.com/sipcluster/sipcluster/sip/message"
)

func TestCallIDOf(t *testing.T) {
	for text, want := range map[string]string{
		"INVITE sip:x SIP/2.0\r\nVia: v\r\nCall-ID: a@b\r\nCSeq: 1 INVITE\r\n\r\n":  "a@b",
		"SIP/2.0 200 OK\r\nContact: c\r\ncALL-id :\t a@b \r\n\r\n":                  "a@b",
		"SIP/2.0 200 OK\r\ni:a\r\n\r\n":                                             "a",
		"SIP/2.0 200 OK\nI : a\n\n":                                                 "a",
		"SIP/2.0 200 OK\r\nCall-ID: a":                                              "a",
		"SIP/2.0 200 OK\r\nCall-ID:\r\n\r\n":                                        "",
		"SIP/2.0 200 OK\r\nCall-Info: a\r\nIn-Reply-To: b\r\n\r\nCall-ID: body\r\n": "",
		"SIP/2.0 200 OK\r\nCall-ID":                                                 "",
		"SIP/2.0 200 OK\r\n":                                                        "",
		"\r\n\r\nCall-ID: a":                                                        "",
		"":                                                                          "",
	} {
		if got := string(message.CallIDOf([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
