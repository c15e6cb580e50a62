package main

import (
	"testing"
)

// Two phones call each other; who watches sees it, also who comes later, and
// after a lost connection.
func TestWatch_ShowsCalls(t *testing.T) {
	o, _, caller, agent := callsNode(t)
	relay := newRelay(t, o.addr)
	watch := operator{t, relay.addr}.begins("watch", "-o", "json")
	watch.comes(t, `"event":"EndOfSnapshot"`)
	call := calls(t, caller, "1002")
	taken, err := agent.Take(t.Context())
	if err != nil || taken.Ring() != nil {
		t.Fatal(err)
	}
	watch.comes(t, `{"event":"EventRinging","dn":"1002","call_state":"ringing","conn_id":"`)
	late := o.begins("watch", "-o", "json")
	late.comes(t, `{"event":"EventRinging","dn":"1002"`)
	late.comes(t, `"event":"EndOfSnapshot"`)
	if taken.Answer() != nil {
		t.Fatal("no answer")
	}
	if _, err := call.Await(t.Context(), 200); err != nil || call.Ack() != nil {
		t.Fatal(err)
	}
	for _, w := range []*watching{watch, late} {
		w.comes(t, `{"event":"EventEstablished","dn":"1001","call_state":"established"`)
	}
	late.ends(t)
	relay.hangUp()
	watch.comes(t, "reconnected")
	if _, err := call.Bye(t.Context()); err != nil {
		t.Fatal(err)
	}
	watch.comes(t, `{"event":"EventReleased","dn":"1001","call_state":"released"`)
	watch.ends(t)
}

func TestWatch_ABoardShowsCalls(t *testing.T) {
	o, _, caller, agent := callsNode(t)
	calls(t, caller, "1002")
	if taken, err := agent.Take(t.Context()); err != nil || taken.Ring() != nil {
		t.Fatal(err)
	}
	b := o.sitsBefore(t)
	b.shows("ringing")
	b.types("q")
	if status := b.ends(); status != exitDone {
		t.Errorf("status %d", status)
	}
}
