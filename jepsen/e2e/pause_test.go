package e2e_test

import (
	"testing"
	"time"
)

// A node that stood still itself has lost nobody: what its peers said meanwhile
// waits for it, and comes first. Only a process that is really stopped shows that.
func TestPause_ThePausedNodeHoldsNobodyForLost(t *testing.T) {
	c := threeNodes(t)
	hung := c.Node(3)
	ph := phones(t, c.Node(1), "2161", "2162")
	register(t, c.Node(1), ph...)
	outside, inside := observe(t, c.Node(1)), observe(t, hung)
	inside.counts(t, inServiceAt(c.Node(1)), ph...)
	for range 2 {
		if err := hung.Pause(); err != nil {
			t.Fatal(err)
		}
		began := time.Now() // heartbeats have the condition looked at
		outside.wait(t, 2*soon, "more than a peer may be silent for", func() bool { return time.Since(began) > 5*time.Second })
		if err := hung.Resume(); err != nil {
			t.Fatal(err)
		}
		// A mark behind all that it could tell of its pause.
		register(t, c.Node(2), ph[1].at(c.Node(2)))
		inside.waitSeen(t, afterCut, inServiceAt(c.Node(2)), ph[1])
		register(t, c.Node(1), ph[1])
		inside.waitSeen(t, afterCut, inServiceAt(c.Node(1)), ph[1])
	}
	if told := inside.told("2161"); len(told) != 0 {
		t.Errorf("n3 told of a DN of n1: %q", told)
	}
}
