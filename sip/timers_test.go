package sip

import (
	"testing"
	"testing/synctest"
)

// TestTimers_OfAnINVITE are timers A, B, G and H.
func TestTimers_OfAnINVITE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "udp", nil)
		s.record()
		s.play("0 a CALL, 64")
		s.want(`
			n1>b INVITE  0 0.5 1.5 3.5 7.5 15.5 31.5
			n1>a 100     0.2
			n1>a 408     32 32.5 33.5 35.5 39.5 43.5 47.5 51.5 55.5 59.5 63.5`)
		s.rest()
	})
}
