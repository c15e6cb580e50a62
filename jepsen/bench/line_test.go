package main

import (
	"testing"
	"time"
)

// TestHeldBy: a loss holds up what is sent its way until it is made good, and nothing else.
func TestHeldBy(t *testing.T) {
	const usual = lineTrip
	begin := time.Now()
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	ms := time.Millisecond
	trips := []trip{
		{1, at(-200 * ms), usual},          // before it
		{2, at(0), usual + 400*ms},         // lost
		{3, at(100 * ms), usual + 310*ms},  // behind it
		{4, at(100 * ms), usual},           // on another stream
		{4, at(350 * ms), usual},           // the same call again
		{5, at(200 * ms), usual + 100*ms},  // the machine had no time
		{7, at(500 * ms), usual},           // later
		{6, at(1900 * ms), usual + 100*ms}, // a loss of its own
	}
	for _, c := range []struct {
		name string
		loss loss
	}{{"there", loss{begin, false}}, {"back", loss{at(lineTrip / 2), true}}} {
		if held, all := heldBy(c.loss, trips); held != 2 || all != 4 {
			t.Errorf("%s: %d of %d, want 2 of 4", c.name, held, all)
		}
	}
	if held, all := heldBy(loss{at(1900 * ms), false}, trips); held+all != 0 {
		t.Errorf("nothing that was lost is back so soon, but %d of %d were held up", held, all)
	}
	if held, _ := heldBy(loss{at(10 * time.Second), false}, trips); held != 0 {
		t.Errorf("nobody waits for what is lost, but %d", held)
	}
}
