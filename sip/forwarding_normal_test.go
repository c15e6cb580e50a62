package sip

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// symbols stand for what is random in a scenario. Only what has the form that
// it must have gets one; the same text has the same one throughout.
type symbols struct {
	place  string // what the addresses of this run begin with
	secret string
	byText map[string]string
	byName map[string]string // what it stood for last
	count  map[string]int
}

func newSymbols(place, secret string) *symbols {
	return &symbols{place: place, secret: secret, byText: map[string]string{}, byName: map[string]string{}, count: map[string]int{}}
}

// documented is what the addresses of every run look like in a transcript.
const documented = "127.0."

var randomParts = []struct {
	kind string
	form *regexp.Regexp // with the random part between two others
}{
	{"branch", regexp.MustCompile(`(branch=)(z9hG4bKsc[a-z2-7]{26})(\r|;)`)},
	{"old branch", regexp.MustCompile(`(branch=)(z9hG4bK2543-[0-9a-f]{1,16})(\r|;)`)},
	{"tag", regexp.MustCompile(`(;tag=)([0-9a-f]{12})(\r|;)`)},
	{"nonce", regexp.MustCompile(`(nonce=")([A-Za-z0-9_-]{27})(")`)},
}

var tokenForm = regexp.MustCompile(`<sip:([A-Za-z0-9_-]{22,})@`)

// normal is a message with symbols in it.
func (s *symbols) normal(msg string) string {
	whole := msg
	msg = tokenForm.ReplaceAllStringFunc(msg, func(m string) string {
		text := m[len("<sip:") : len(m)-1]
		name, ok := s.token(text, whole)
		if !ok {
			return m
		}
		s.byText[text], s.byName[name] = name, text
		return "<sip:" + name + "@"
	})
	for _, p := range randomParts {
		msg = p.form.ReplaceAllStringFunc(msg, func(m string) string {
			parts := p.form.FindStringSubmatch(m)
			return parts[1] + s.name(p.kind, parts[2]) + parts[3]
		})
	}
	return moved(msg, s.place, documented)
}

func (s *symbols) name(kind, text string) string {
	if s.byText[text] == "" {
		s.count[kind]++
		name := fmt.Sprintf("{%s %d}", kind, s.count[kind])
		s.byText[text], s.byName[name] = name, text
	}
	return s.byText[text]
}

// real is a text with what its symbols stand for.
func (s *symbols) real(text string) string {
	for name, real := range s.byName {
		text = strings.ReplaceAll(text, name, real)
	}
	return moved(text, documented, s.place)
}

var ipv4Form = regexp.MustCompile(`[0-9]+(\.[0-9]+){3}`)

// moved has addresses that begin with from begin with to. Only whole ones: a
// place may contain the beginning of another one, as 127.127.0.1 does 127.0.
func moved(text, from, to string) string {
	return ipv4Form.ReplaceAllStringFunc(text, func(addr string) string {
		if rest, ok := strings.CutPrefix(addr, from); ok {
			return to + rest
		}
		return addr
	})
}

// token reads a Route token as another node of the cluster has to: the key's number, a
// MAC of 12 bytes, and encrypted under it a byte of purpose, side and transport, the
// minute, the birth, node, number, call, address.
func (s *symbols) token(text, msg string) (string, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 29 || raw[0] != 1 {
		return "", false
	}
	derive := func(what string) []byte {
		key := sha256.Sum256([]byte("sipcluster route " + what + "\x00" + s.secret))
		return key[:]
	}
	sum, body := raw[1:13], raw[13:]
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return "", false
	}
	cipher.NewCTR(block, append(slices.Clone(sum), 0, 0, 0, 1)).XORKeyStream(body, body)
	callID, sealed := headerOf(msg, "Call-ID"), false
	for _, name := range []string{"From", "To"} {
		_, tag, _ := strings.Cut(headerOf(msg, name), ";tag=")
		mac := hmac.New(sha256.New, derive("mac"))
		fmt.Fprint(mac, string(body), callID, tag)
		_ = binary.Write(mac, binary.BigEndian, []uint32{uint32(len(body)), uint32(len(callID))})
		sealed = sealed || hmac.Equal(sum, mac.Sum(nil)[:12])
	}
	if !sealed {
		return "", false
	}
	names, rest := []string{}, body[13:]
	for range 3 {
		names, rest = append(names, string(rest[1:1+rest[0]])), rest[1+rest[0]:]
	}
	var addr netip.AddrPort
	if addr.UnmarshalBinary(rest) != nil {
		return "", false
	}
	words := []string{[]string{"none", "deliver", "phone", "trunk"}[body[0]&3], names[0], names[1], []string{"UDP", "TCP", "TLS", "WS", "WSS"}[body[0]>>3]}
	if addr.IsValid() {
		words = append(words, moved(addr.String(), s.place, documented))
	}
	return "{" + strings.TrimSpace(strings.Join(append(words, names[2]), " ")) + "}", true
}

// headerLines are the lines of a header by its full name.
func headerLines(msg, name string) (list []string) {
	head, _, _ := strings.Cut(msg, "\r\n\r\n")
	for l := range strings.SplitSeq(head, "\r\n") {
		if n, _, ok := strings.Cut(l, ":"); ok && strings.EqualFold(n, name) {
			list = append(list, l)
		}
	}
	return list
}

// headerOf is the value of the first one.
func headerOf(msg, name string) string {
	for _, l := range headerLines(msg, name) {
		_, v, _ := strings.Cut(l, ":")
		return strings.TrimSpace(v)
	}
	return ""
}
