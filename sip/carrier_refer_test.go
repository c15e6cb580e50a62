package sip

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// TestREFER_ToACarrierThatTakesNone is answered at once, with a reason: when its Allow has
// none, and when it has refused one as something that it does not know.
func TestREFER_ToACarrierThatTakesNone(t *testing.T) {
	for name, c := range map[string]struct {
		allow string
		// answer is the carrier's to the first REFER, 0: it must not come there.
		answer, first int
		again         bool // the second one comes there too
	}{
		"its Allow has none":     {allow: "Allow: INVITE, ACK, BYE", first: 405},
		"in several lines":       {allow: "Allow: INVITE\r\nAllow: ACK,BYE", first: 405},
		"its Allow has it":       {allow: "Allow: INVITE,refer , BYE", answer: 202, first: 202, again: true},
		"it says nothing":        {answer: 202, first: 202, again: true},
		"it knows no such":       {answer: 501, first: 501},
		"it allows no such":      {answer: 405, first: 405},
		"it refuses this one":    {answer: 603, first: 603, again: true},
		"its Allow in two lines": {allow: "Allow: INVITE\r\nAllow: REFER", answer: 202, first: 202, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage, _ *world) {
				a, b := s.parties["a"], s.parties["b"]
				a.caller, a.invited, a.target, a.remote = true, "c", uriTo("1002"), "<"+uriTo("1002")+">"
				if c.allow == "" {
					a.request("INVITE")
				} else {
					a.request("INVITE", c.allow)
				}
				synctest.Wait()
				b.respond(200, "INVITE")
				synctest.Wait()
				a.ack()
				synctest.Wait()
				last := ""
				refer := func(comes bool, answer, want int) {
					b.request("REFER", "Refer-To: <sip:+4930@"+testRealm+">")
					synctest.Wait()
					if got := s.heard(a, "REFER"); (got != last) != comes {
						t.Fatalf("the carrier heard %q", got)
					}
					if last = s.heard(a, "REFER"); comes {
						a.respond(answer, "REFER")
						synctest.Wait()
					}
					got := s.heard(b, "answer REFER")
					said := strings.Contains(got, "takes no transfers")
					if word(got) != strconv.Itoa(want) || said != (want == 405 || want == 501) {
						t.Errorf("answered %q, want %d", got, want)
					}
				}
				refer(c.answer != 0, c.answer, c.first)
				if c.again {
					refer(true, 202, 202)
				} else {
					refer(false, 0, 405)
				}
				a.request("BYE")
				synctest.Wait()
				b.respond(200, "BYE")
				synctest.Wait()
			})
		})
	}
}
