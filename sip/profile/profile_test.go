package profile

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
)

const session = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

func TestOf_WhatIsOffered(t *testing.T) {
	for body, want := range map[string]dn.Media{
		"":      0,
		session: 0,
		session + "m=audio 4000 RTP/AVP 0 8\r\na=sendrecv\r\n":                                                      dn.RTP,
		strings.ReplaceAll(session, "\r", "") + "m=audio 4000 RTP/AVPF 0\n":                                         dn.RTP,
		session + "m=audio 4000/2 rtp/avp 0\r\n":                                                                    dn.RTP,
		session + "m=audio 4000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n":                       dn.RTP | dn.SRTP,
		session + "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n":                      dn.SRTP,
		session + "m=audio 4000 RTP/SAVP 0\r\n":                                                                     dn.SRTP,
		session + "a=fingerprint:sha-256 AA\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:actpass\r\n":              dn.DTLS,
		session + "a=fingerprint:sha-256 AA\r\nm=audio 9 RTP/SAVPF 111\r\n":                                         dn.DTLS,
		session + "m=audio 0 RTP/AVP 0\r\nm=audio 4002 UDP/TLS/RTP/SAVP 0\r\n":                                      dn.DTLS,
		session + "m=audio 4000 RTP/AVP 0\r\nm=audio 4002 UDP/TLS/RTP/SAVP 0\r\n":                                   dn.RTP | dn.DTLS,
		session + "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/SAVP 0\r\na=fingerprint:sha-256 AA\r\na=crypto:1\r\n": dn.RTP,
		session + "m=video 4002 RTP/AVP 0\r\n":                                                                      0,
		session + "m=audio 4000 TCP/MSRP *\r\n":                                                                     0,
		session + "m=audio \r\nm=audio 1\r\n":                                                                       0,
		session + "i=m=audio 4000 RTP/AVP 0\r\n":                                                                    0,
	} {
		if got := Of([]byte(body)); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add([]byte(session + "m=audio 4000 RTP/AVP 0\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if m := Of(body); m > dn.RTP|dn.SRTP|dn.DTLS {
			t.Error(m)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	body := []byte(session + "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n")
	for b.Loop() {
		Of(body)
	}
}
