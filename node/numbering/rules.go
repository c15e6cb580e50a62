// Package numbering is the numbering plan: which number of a trunk is which number of
// the cluster, whom a number reaches, by which trunks it leaves, and how those are told
// who calls. It is pure: the configuration and a call's numbers in, the way out, so that
// whoever asks gets the answer by which calls go. It knows neither SIP messages nor who
// is in service; node/routing and sip/proxy call it.
package numbering

import (
	"net/url"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Apply changes a number by the first rule that fits; rule counts from 1, 0 is none.
func Apply(rules []*configpb.NumberRule, number string) (changed string, rule int) {
	for i, r := range rules {
		if fits(r.GetMatch(), number) {
			return r.GetPrepend() + number[min(int(r.GetStrip()), len(number)):], i + 1
		}
	}
	return number, 0
}

// fits tells whether a number begins as a rule says.
func fits(match, number string) bool {
	match, whole := strings.CutSuffix(match, "$")
	if len(number) < len(match) || whole && len(number) != len(match) {
		return false
	}
	for i := range len(match) {
		if match[i] != '.' && match[i] != number[i] {
			return false
		}
	}
	return true
}

// Telephone is the number of a tel URI, or of a SIP URI's user part that is one: without
// what makes it easier to read and without its parameters (RFC 3966 §3). context is its
// phone-context, "" for none: within which the number is one.
func Telephone(subscriber string) (number, context string) {
	number, params, _ := strings.Cut(subscriber, ";")
	for p := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(name, "phone-context") {
			context = value
		}
	}
	return readable.Replace(number), context
}

var readable = strings.NewReplacer("-", "", ".", "", "(", "", ")", "")

// Dialled is the number of a text: itself, or that of a tel or sip URI.
func Dialled(text string) string {
	scheme, rest, isURI := strings.Cut(text, ":")
	switch scheme = strings.ToLower(scheme); {
	case isURI && scheme == "tel":
		number, _ := Telephone(rest)
		return number
	case isURI && (scheme == "sip" || scheme == "sips"):
		user, host, _ := strings.Cut(rest, "@")
		if strings.Contains(strings.ToLower(host), ";user=phone") {
			user, _ = Telephone(user)
		}
		user, _, _ = strings.Cut(user, ";")
		if plain, err := url.PathUnescape(user); err == nil {
			return plain
		}
		return user
	}
	return text
}
