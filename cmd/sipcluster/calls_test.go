package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
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
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _ := clienttest.Plain()
	c.Out, c.Now, c.Terminal = w, time.Now, func(uintptr) bool { return true }
	c.Getenv = func(key string) string { return map[string]string{"NO_COLOR": "1"}[key] }
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, c.Console, []string{"watch", "--addr", o.addr})
		_ = w.Close()
	}()
	calls(t, caller, "1002")
	if taken, err := agent.Take(t.Context()); err != nil || taken.Ring() != nil {
		t.Fatal(err)
	}
	seen := ""
	buf := make([]byte, 1<<16)
	for !strings.Contains(seen, "ringing  1001") || !strings.Contains(seen, "calls 1") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		seen += string(buf[:n])
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Error(err)
	}
	if s := patience.Receive(t, "the end of the command", status); s != exitDone {
		t.Errorf("status %d", s)
	}
}
