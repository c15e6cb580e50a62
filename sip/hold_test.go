package sip

import (
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// holds is told what becomes of a dialog.
type holds chan string

func (h holds) Held(by dialog.Side, is bool) { h <- fmt.Sprint(by, " ", is) }
func (h holds) Referred(by dialog.Side)      { h <- fmt.Sprint(by, " refers") }
func (h holds) Over(*dialog.Dialog)          { h <- "over" }

// TestHold_TheNodeThatHasTheCallHearsWhoHoldsIt, whichever side does and wherever its phone
// is; who asks again for what is, or is refused, changes nothing.
func TestHold_TheNodeThatHasTheCallHearsWhoHoldsIt(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	out, in := s.up(n1.ua("udp", "1001"), n2.ua("tcp", "1002"), "1002")
	h := make(holds, 64)
	(patience.Receive(t, "the outcome of the call", n1.outcomes)).Dialog.Follow(h)
	says := func(from, to *siptest.Call, media string) {
		from.Media = media
		s.do(from, "INVITE", 200)
		s.ok(from.Ack())
		s.expect(to, "ACK")
	}
	hears := func(want string) {
		t.Helper()
		if got := patience.Receive(t, want, h); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	says(out, in, "")
	says(out, in, "a=sendonly\r\n")
	says(out, in, "a=sendonly\r\n")
	hears("1 true")
	says(out, in, "")
	hears("1 false")
	says(in, out, "a=inactive\r\n")
	hears("2 true")
	says(in, out, "c=IN IP4 127.0.0.1\r\n")
	hears("2 false")
	says(in, out, "c=IN IP4 0.0.0.0\r\n")
	hears("2 true")
	s.do(in, "REFER", 200, "Refer-To: <"+uriTo("1003")+">")
	hears("2 refers")
	s.do(out, "BYE", 200)
	hears("over")
}

// TestHold_WhoFollowsLateHearsItAll: routing does so from a goroutine of its own.
func TestHold_WhoFollowsLateHearsItAll(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	out, in := s.up(w.ua("udp", "1001"), w.ua("udp", "1002"), "1002")
	out.Media = "a=inactive\r\n"
	s.do(out, "INVITE", 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
	d := (patience.Receive(t, "the outcome of the call", w.outcomes)).Dialog
	h := make(holds, 64)
	d.Follow(h)
	s.do(in, "BYE", 200)
	for _, want := range []string{"1 true", "over"} {
		if got := patience.Receive(t, want, h); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	d.Follow(h)
	if got := patience.Receive(t, "its end", h); got != "over" {
		t.Error(got)
	}
}
