package wire

import (
	"io"
	"testing"
	"testing/synctest"
)

// TestHeld_AGatewayThatStopsForAMoment loses neither its connection nor what was sent to it
// meanwhile; all such connections together have a bound.
func TestHeld_AGatewayThatStopsForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		f, gateway := p.open(t, "192.0.2.1:5060", "1001")
		defer f.Close()
		part, sent := make([]byte, MaxQueued/4), 0
		spare := &f.l.flows.spare
		for ; sent < 20*len(part); sent += len(part) {
			if err := f.Enqueue(part); err != nil {
				t.Fatalf("after %d bytes: %v", sent, err)
			}
		}
		if spare.taken.Load() == 0 {
			t.Error("nothing is counted")
		}
		if _, err := io.ReadFull(gateway, make([]byte, sent)); err != nil {
			t.Fatal(err)
		}
		if synctest.Wait(); spare.taken.Load() != 0 {
			t.Errorf("%d bytes of all are not given back", spare.taken.Load())
		}
		spare.taken.Store(maxSpare - 1)
		for sent = 0; f.Enqueue(part) == nil; sent += len(part) {
			if sent > 3*MaxQueued {
				t.Fatal("there is no bound")
			}
		}
		if synctest.Wait(); spare.taken.Load() != maxSpare-1 {
			t.Errorf("%d bytes of all are taken", spare.taken.Load())
		}
	})
}

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
