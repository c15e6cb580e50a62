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

func (h holds) Held(by dialog.Side, is bool)       { h <- fmt.Sprint(by, " ", is) }
func (h holds) Referred(by dialog.Side)            { h <- fmt.Sprint(by, " refers") }
func (h holds) Calling(by dialog.Side, calls bool) { h <- fmt.Sprint(by, " calls ", calls) }
func (h holds) Over(*dialog.Dialog)                { h <- "over" }

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

// TestReferred_WhatItTells reaches the node that has the call, whichever phone is asked, also
// when the call is over; other NOTIFYs say nothing of it.
func TestReferred_WhatItTells(t *testing.T) {
	for _, caller := range []bool{true, false} {
		n1, n2 := twoNodes(t)
		s := newScript(t)
		asks, asked := s.up(n1.ua("udp", "1001"), n2.ua("tcp", "1002"), "1002")
		asking, other := dialog.CallerSide, dialog.CalledSide
		if !caller {
			asks, asked, asking, other = asked, asks, other, asking
		}
		h := make(holds, 64)
		(patience.Receive(t, "the outcome of the call", n1.outcomes)).Dialog.Follow(h)
		hears := func(want string) {
			t.Helper()
			if got := patience.Receive(t, want, h); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		tells := func(status string) {
			t.Helper()
			if res, err := asked.Notify(s.ctx, status); err != nil || res.Code != 200 {
				t.Fatal(res, err)
			}
		}
		s.do(asks, "REFER", 200, "Refer-To: <"+uriTo("1003")+">")
		hears(fmt.Sprint(asking, " refers"))
		s.do(asked, "NOTIFY", 200, "Event: refer", "Subscription-State: active")
		s.do(asked, "NOTIFY", 200, "Event: message-summary", "Subscription-State: active")
		tells("100 Trying")
		hears(fmt.Sprint(other, " calls true"))
		tells("200 OK")
		hears(fmt.Sprint(other, " calls true"))
		tells("486 Busy Here")
		hears(fmt.Sprint(other, " calls false"))
		asked.TellsNothing.Store(true)
		s.do(asks, "REFER", 200, "Refer-To: <"+uriTo("1003")+">")
		hears(fmt.Sprint(asking, " refers"))
		hears(fmt.Sprint(other, " calls true"))
		s.do(asks, "BYE", 200)
		hears("over")
		tells("180 Ringing")
		hears(fmt.Sprint(other, " calls true"))
	}
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
