package proxy

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/sip/enrolment"
)

// TestGranted_IsOfOurContact, and where that is listed by another address of whichever ends
// first: a carrier that was believed for longer would have forgotten it.
func TestGranted_IsOfOurContact(t *testing.T) {
	q := &enrolling{req: &enrolment.Request{Contact: "sip:we@10.0.0.1:5060", Expires: 10 * time.Minute}}
	for _, c := range []struct {
		want  time.Duration
		lines []string
	}{
		{10 * time.Minute, nil},
		{2 * time.Minute, []string{"Expires: 120"}},
		{time.Minute, []string{"Contact: <sip:we@10.0.0.1:5060;ob>;expires=60", "Expires: 120"}},
		{time.Minute, []string{"Contact: <sip:else@192.0.2.1>;expires=1", "Contact: <sip:we@10.0.0.1:5060>;expires=60"}},
		{2 * time.Minute, []string{"Contact: <sip:else@192.0.2.1>;expires=1, <sip:we@10.0.0.1:5060>", "Expires: 120"}},
		{time.Minute, []string{"Contact: <sip:we@203.0.113.7:41000>;expires=60"}},
		{time.Minute, []string{"Contact: <sip:we@203.0.113.7:41000>;expires=60, <sip:we@10.0.0.9:5060>;expires=300", "Expires: 600"}},
		{10 * time.Minute, []string{"Contact: <sip:we@203.0.113.7:41000>;expires=3600"}},
		{2 * time.Minute, []string{"Contact: <sip:we@203.0.113.7:41000>", "Expires: 120"}},
		{10 * time.Minute, []string{"Contact: <sip:we@203.0.113.7:41000>"}},
	} {
		res := parsed(t, append([]string{
			"SIP/2.0 200 OK", "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa", "From: <sip:we@carrier>;tag=1", "To: <sip:we@carrier>;tag=2", "Call-ID: a", "CSeq: 1 REGISTER",
		}, c.lines...)...)
		if got := q.granted(res); got != c.want {
			t.Errorf("%q: %v, want %v", c.lines, got, c.want)
		}
	}
}
