package sip

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/internal/bubble"
)

// TestProxy_NothingGoesOnWithoutAHopLeft: within a call, of either side, to a
// contact with a user part and to one without, which may be meant for the node
// itself; an ACK, which nobody can be told about, as well.
func TestProxy_NothingGoesOnWithoutAHopLeft(t *testing.T) {
	for _, hops := range []string{"0", "000", "1"} {
		for _, contact := range []string{"sip:1002@198.51.100.3:5060", "sip:198.51.100.3:5060"} {
			bubble.Test(t, func(t *testing.T) {
				s := newStage(t, 1, "udp", "udp", nil)
				s.record()
				s.play("0 a new INVITE, 0 b 200, 0 a ACK")
				a := s.parties["a"]
				if a.target != "sip:1002@198.51.100.3:5060" {
					t.Fatalf("the phone is at %s", a.target)
				}
				a.target = contact
				for _, method := range []string{"ACK", "INFO", "UPDATE", "INVITE", "BYE"} {
					last := s.last(method, hops)
					if passed := last != ""; passed != (hops == "1") {
						t.Errorf("%s to %s with Max-Forwards %s: the phone heard %q", method, contact, hops, last)
					}
					if hops == "1" && header(last, "Max-Forwards") != "0" {
						t.Errorf("%s went on with Max-Forwards %s", method, header(last, "Max-Forwards"))
					}
					if told := word(s.heard(a, "answer "+method)); hops != "1" && method != "ACK" && told != "483" {
						t.Errorf("%s to %s with Max-Forwards %s: told %s", method, contact, hops, told)
					}
				}
			})
		}
	}
}

// last has the caller say a request whose hops are nearly used up, and returns
// what the phone hears of it.
func (s *stage) last(method, hops string) string {
	a, b := s.parties["a"], s.parties["b"]
	s.mu.Lock()
	delete(b.heard, method)
	delete(a.heard, "answer "+method)
	s.mu.Unlock()
	a.branch++
	a.cseq++
	a.write(strings.Replace(a.compose(method, a.target, "z9hG4bKlast"+method, a.cseq, a.routes, nil), "Max-Forwards: 70", "Max-Forwards: "+hops, 1))
	synctest.Wait()
	heard := s.heard(b, method)
	if heard != "" && method != "ACK" {
		b.respond(200, method)
		synctest.Wait()
	}
	return heard
}
