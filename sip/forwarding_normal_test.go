package sip

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// symbols stand for what is random in a scenario. Only what has the form that
// it must have gets one; the same text has the same one throughout.
type symbols struct {
	place  string // what the addresses of this run begin with
	secret string
	byText map[string]string
	count  map[string]int
}

func newSymbols(place, secret string) *symbols {
	return &symbols{place: place, secret: secret, byText: map[string]string{}, count: map[string]int{}}
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
	callID := headerOf(msg, "Call-ID")
	msg = tokenForm.ReplaceAllStringFunc(msg, func(m string) string {
		text := m[len("<sip:") : len(m)-1]
		name, ok := s.token(text, callID)
		if !ok {
			return m
		}
		s.byText[text] = name
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
		s.byText[text] = fmt.Sprintf("{%s %d}", kind, s.count[kind])
	}
	return s.byText[text]
}

// real is a text with what its symbols stand for.
func (s *symbols) real(text string) string {
	for real, name := range s.byText {
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

// token reads a Route token as another node of the cluster has to: three bytes
// of purpose, transport and length, node, number, call, address, MAC.
func (s *symbols) token(text, callID string) (string, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 16 || int(raw[0]) > 3 || int(raw[1]) > 4 {
		return "", false
	}
	body, sum := raw[:len(raw)-12], raw[len(raw)-12:]
	key := sha256.Sum256([]byte("sipcluster route token\x00" + s.secret))
	mac := hmac.New(sha256.New, key[:])
	fmt.Fprint(mac, string(body), callID, string([]byte{byte(len(body)), byte(len(body) >> 8)}))
	if !hmac.Equal(sum, mac.Sum(nil)[:12]) {
		return "", false
	}
	node, rest := body[3:3+body[2]], body[3+body[2]:]
	number, rest := rest[1:1+rest[0]], rest[1+rest[0]:]
	call, rest := rest[1:1+rest[0]], rest[1+rest[0]:]
	var addr netip.AddrPort
	if addr.UnmarshalBinary(rest) != nil {
		return "", false
	}
	purpose := []string{"none", "deliver", "phone", "trunk"}[raw[0]]
	transport := []string{"UDP", "TCP", "TLS", "WS", "WSS"}[raw[1]]
	to := strings.TrimSpace(moved(addr.String(), s.place, documented) + " " + string(call))
	return fmt.Sprintf("{%s %s %s %s %s}", purpose, node, number, transport, to), true
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
