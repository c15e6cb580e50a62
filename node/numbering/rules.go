// Package numbering is the numbering plan: which number of a trunk is which number of
// the cluster, whom a number reaches, by which trunks it leaves, and how those are told
// who calls. It is pure: the configuration and a call's numbers in, the way out, so that
// whoever asks gets the answer by which calls go. It reads URIs, and knows neither SIP messages nor who
// is in service; node/routing and sip/proxy call it.
package numbering

import (
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
