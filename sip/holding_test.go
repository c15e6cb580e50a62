package sip

import (
	"maps"
	"testing"

	"github.com/sipcluster/sipcluster/internal/bubble"
)

// TestHeld_TellsWhatGoesOn, by kind: what the metrics show of a node at work, and
// what other tests want to be nothing in the end.
func TestHeld_TellsWhatGoesOn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "tcp", "tcp", nil)
		s.record()
		w := s.nodes[0]
		for _, x := range []struct {
			what, script string
			want         map[string]int
		}{
			{"nothing but two connections", "0", map[string]int{"sip_connections": 2}},
			{"a call that rings", "0 a new INVITE, 0 b 180", map[string]int{"sip_connections": 2, "sip_calls": 1, "sip_call_goroutines": 3, "sip_transactions": 2, "sip_alarms": 2}},
			{"a call that is up", "1 b 200, 1 a ACK, 10", map[string]int{"sip_connections": 2, "sip_dialogs": 1}},
			{"a request within it", "11 a INFO", map[string]int{"sip_connections": 2, "sip_dialogs": 1, "sip_transactions": 2, "sip_relays": 1, "sip_alarms": 1}},
			{"its answer", "12 b 200 INFO", map[string]int{"sip_connections": 2, "sip_dialogs": 1}},
			{"a re-INVITE", "13 b INVITE, 13 a 180", map[string]int{"sip_connections": 2, "sip_dialogs": 1, "sip_transactions": 2, "sip_relays": 1, "sip_alarms": 1}},
			{"its refusal", "14 a 488, 14 b ACK", map[string]int{"sip_connections": 2, "sip_dialogs": 1}},
			{"the end", "15 b BYE, 15 a 200 BYE, 60", map[string]int{"sip_connections": 2}},
			{"the end of a connection", "61 a leaves", map[string]int{"sip_connections": 1}},
		} {
			s.play(x.script)
			got := w.server.Held()
			maps.DeleteFunc(got, func(_ string, n int) bool { return n == 0 })
			if !maps.Equal(got, x.want) {
				t.Errorf("%s: it holds %v, want %v", x.what, got, x.want)
			}
		}
	})
}
