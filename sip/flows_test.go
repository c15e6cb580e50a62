package sip

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestFlow_WhatWasWrittenTakesNoRoom: a connection whose phone reads carries any
// amount, one that does not is given up at the bound.
func TestFlow_WhatWasWrittenTakesNoRoom(t *testing.T) {
	w := newWorld(t, nil).run()
	l := w.dial("tcp")
	until(t, "the connection is taken", func() bool { return w.server.flows.Len() == 1 })
	f := w.server.flows.All()[0]
	part := bytes.Repeat([]byte("x"), 16<<10)
	got := make([]byte, len(part))
	for i := range 3 * wire.MaxQueued / len(part) {
		if err := f.Enqueue(bytes.Clone(part)); err != nil {
			t.Fatalf("after %d bytes: %v", i*len(part), err)
		}
		_ = l.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(l.conn, got); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Enqueue(make([]byte, wire.MaxQueued+1)); err == nil {
		t.Error("more than the bound was taken")
	}
	until(t, "the connection is given up", func() bool { return w.server.flows.Len() == 0 })
}

// TestPings_AnotherRegistrationOfTheContactStays when the one before did not
// answer.
func TestPings_AnotherRegistrationOfTheContactStays(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	const contact = "sip:1001@127.0.0.1:5999"
	if res := w.dial("udp").register(reg{dn: "1001", callID: "new", cseq: 1, headers: []string{"Contact: <" + contact + ">"}}); res.code != 200 {
		t.Fatal(res)
	}
	for _, x := range []target{{"1001", contact, "old"}, {"1001", "sip:else@127.0.0.1:5999", "new"}, {"1002", contact, "new"}} {
		w.server.registrar.Unanswered(x.number, x.contact, x.callID)
		if st := w.state("1001"); st.State != dn.InSrv {
			t.Errorf("%v took %v", x, st)
		}
	}
	w.server.registrar.Unanswered("1001", contact, "new")
	if st := w.state("1001"); st.State != dn.OOS {
		t.Errorf("%v", st)
	}
}
