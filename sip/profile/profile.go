// Package profile reads from session descriptions how their sound is carried: in clear, or
// by which kind of SRTP. It is a pure function of the body; sip/proxy asks it for what a
// caller offers and what phones answer.
package profile

import (
	"bytes"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Of returns the media that the audio streams of a session description can be carried by;
// 0 without a description, or one that has no such stream in use.
func Of(body []byte) dn.Media {
	_, streams, found := bytes.Cut(body, audio)
	if !found {
		return 0
	}
	all := described(body[:len(body)-len(streams)-len(audio)]) // for all streams
	var m dn.Media
	for found {
		var one []byte
		one, streams, found = bytes.Cut(streams, audio)
		if end := bytes.Index(one, next); end >= 0 {
			one = one[:end]
		}
		m |= stream(one, all)
	}
	return m
}

var audio, next = []byte("\nm=audio "), []byte("\nm=")

// keys says which keys a description names, beside what its profile says.
type keys struct{ inLine, byDTLS bool }

func described(lines []byte) keys {
	return keys{bytes.Contains(lines, []byte("\na=crypto:")), bytes.Contains(lines, []byte("\na=fingerprint:"))}
}

// stream reads what is behind "m=audio " up to the next stream.
func stream(text []byte, all keys) dn.Media {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	words := bytes.Fields(line)
	if len(words) < 2 || string(words[0]) == "0" {
		return 0
	}
	k := described(text)
	k.byDTLS = k.byDTLS || all.byDTLS
	switch string(bytes.ToUpper(words[1])) {
	case "RTP/AVP", "RTP/AVPF":
		return dn.RTP | k.media() // SRTP if the other side wants to (RFC 8643)
	case "RTP/SAVP", "RTP/SAVPF":
		if m := k.media(); m != 0 {
			return m
		}
		return dn.SRTP
	case "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
		return dn.DTLS
	}
	return 0
}

func (k keys) media() (m dn.Media) {
	if k.inLine {
		m |= dn.SRTP
	}
	if k.byDTLS {
		m |= dn.DTLS
	}
	return m
}
