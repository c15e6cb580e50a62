package proxy

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// TestFlow_RequestsOfACallFollowThePhoneToAnotherTransport: it registered its
// contact over UDP, and then over a connection.
func TestFlow_RequestsOfACallFollowThePhoneToAnotherTransport(t *testing.T) {
	p := newAlone(t)
	port, err := wire.Open(wire.Config{Listen: [location.WSS + 1]string{location.TCP: "127.0.0.1:0"}, Flows: wire.NewFlows(10),
		Ended: func(wire.FlowKey, dn.Number) {}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Close() })
	phone, err := net.Dial("tcp", port.Addr(location.TCP).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phone.Close() })
	patience.Ended("the connection is accepted", func() { _, err = port.Listeners()[0].Accept() })
	if err != nil {
		t.Fatal(err)
	}
	p.Connect(port.Exits(&location.Hosts{}, nil, nil, nil))
	const contact = "sip:1001@127.0.0.1:5999"
	came := wire.FlowKey{Transport: location.TCP, Peer: phone.LocalAddr().(*net.TCPAddr).AddrPort()}
	p.calls.targets.store.Put(&location.Entry{Record: p.calls.targets.table.Register("1001", dn.Registered), Bindings: []location.Binding{
		{Contact: contact, CallID: "c", CSeq: 1, Transport: came.Transport, Source: came.Peer, Expires: time.Now().Add(time.Hour)}}})
	r := &route.Set{URI: []byte(contact), Last: route.Token{Purpose: route.Phone, Node: "n1", Number: "1001", Transport: location.UDP, Addr: phoneAt}}
	h, fault := p.relays.path.flowOf(r, nil, &route.Dialog{})
	if fault != nil || (wire.FlowKey{Transport: h.transport, Peer: h.addr}) != came {
		t.Errorf("%+v, %v, want %v", h, fault, came)
	}
	r.URI = []byte("sip:1001@127.0.0.1:5998") // another of its contacts
	if h, fault := p.relays.path.flowOf(r, nil, &route.Dialog{}); fault != nil || h.transport != location.UDP {
		t.Errorf("%+v, %v", h, fault)
	}
}

// TestFlow_BehindAnEdgeProxyRequestsOfACallGoToThat: what is left of the Route says
// so. Without one they go to the contact that the phone gave for the call.
func TestFlow_BehindAnEdgeProxyRequestsOfACallGoToThat(t *testing.T) {
	p := newAlone(t)
	for _, c := range []struct {
		rest []string
		want uint16
	}{{nil, 6000}, {[]string{"<sip:edge.test;lr>"}, phoneAt.Port()}, {[]string{"<sip:edge.test;lr>", "<sip:far.test;lr>"}, phoneAt.Port()}} {
		r := &route.Set{URI: []byte("sip:call@127.0.0.1:6000"), Last: route.Token{Purpose: route.Phone, Node: "n1", Number: "1001", Transport: location.UDP, Addr: phoneAt}}
		for _, e := range c.rest {
			r.Rest = append(r.Rest, []byte(e))
		}
		if h, fault := p.relays.path.flowOf(r, r.URI, &route.Dialog{}); fault != nil || h.addr.Port() != c.want {
			t.Errorf("%v: %+v, %v, want port %d", c.rest, h, fault, c.want)
		}
	}
}
