package wire

import (
	"testing"
	"testing/synctest"
)

// TestHeld_WhatWasPostedMakesRoom: a phone that reads gets more than may wait
// for it at a time.
func TestHeld_WhatWasPostedMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		f, phone := p.open(t, "192.0.2.1:5060", "1001")
		defer f.Close()
		part, buf := make([]byte, MaxQueued/4), make([]byte, MaxQueued)
		for i := range 20 {
			for range 3 {
				if err := f.Enqueue(part); err != nil {
					t.Fatal(i, err)
				}
			}
			for got := 0; got < 3*len(part); {
				n, err := phone.Read(buf)
				if err != nil {
					t.Fatal(i, err)
				}
				got += n
			}
			synctest.Wait()
			if f.outbox.bytes != 0 || f.outbox.active {
				t.Fatalf("round %d: %d bytes wait", i, f.outbox.bytes)
			}
		}
	})
}
