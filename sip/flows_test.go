package sip

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
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

// TestFlow_RequestsOfACallFollowThePhoneToAnotherTransport: it registered its
// contact over UDP, and then over a connection.
func TestFlow_RequestsOfACallFollowThePhoneToAnotherTransport(t *testing.T) {
	w := callWorld(t, nil, "1001")
	const contact = "sip:1001@127.0.0.1:5999"
	l := w.dial("tcp")
	if res := l.register(reg{dn: "1001", callID: "c", cseq: 1, transport: "TCP", headers: []string{"Contact: <" + contact + ">"}}); res.code != 200 {
		t.Fatal(res)
	}
	r := &routing{uri: []byte(contact), last: token{purpose: toPhone, node: "n1", number: "1001", transport: location.UDP, addr: localSource}}
	h, fault := w.server.proxy.flowOf(r)
	if fault != nil || (wire.FlowKey{Transport: h.transport, Peer: h.addr}) != localOf(l) {
		t.Errorf("%+v, %v, want %v", h, fault, localOf(l))
	}
	r.uri = []byte("sip:1001@127.0.0.1:5998") // another of its contacts
	if h, fault := w.server.proxy.flowOf(r); fault != nil || h.transport != location.UDP {
		t.Errorf("%+v, %v", h, fault)
	}
}

// TestRecordRoute_NamesTheTransport as a phone that dials it would: RFC 7118
// knows one for WebSockets.
func TestRecordRoute_NamesTheTransport(t *testing.T) {
	w := callWorld(t, allTransports(t))
	for transport, want := range map[location.Transport]string{
		location.UDP: "", location.TCP: ";transport=tcp", location.TLS: ";transport=tls", location.WS: ";transport=ws", location.WSS: ";transport=ws",
	} {
		k := &token{purpose: toPhone, node: "n1", number: "1001", transport: transport, addr: localSource}
		route := string(w.server.proxy.recordRoute(k, []byte("c")))
		if !strings.HasSuffix(route, "@"+w.server.routes[transport]+want+";lr>") {
			t.Errorf("%v: %s", transport, route)
		}
	}
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
