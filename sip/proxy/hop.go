package proxy

import (
	"bytes"
	"errors"
	"net/netip"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// hop is where a message goes next: an address for datagrams, or the
// connection that a phone opened. It implements transaction.Sender.
type hop struct {
	out       *wire.Exits
	transport location.Transport
	addr      netip.AddrPort
}

// exits are the ways out of the proxy; nil before Connect.
type exits struct{ *wire.Exits }

// datagrams is the hop over UDP to an address.
func (e *exits) datagrams(addr netip.AddrPort) *hop { return &hop{out: e.Exits, addr: addr} }

// packet is how a message came.
type packet struct {
	// peer is the node that sent it; "" for anybody else.
	peer      dn.Node
	exits     *exits
	source    netip.AddrPort
	transport location.Transport
}

// shows tells whether who sent it has shown a certificate of that name.
func (in *packet) shows(name string) bool {
	if in.transport != location.TLS {
		return false
	}
	f := in.exits.Flows.Get(wire.FlowKey{Transport: in.transport, Peer: in.source})
	return f != nil && f.Shows(name)
}

// hop is the way to who sent it.
func (in *packet) hop() hop {
	return hop{out: in.exits.Exits, transport: in.transport, addr: in.source}
}

// back is the way of responses.
func (in *packet) back(m *message.Message) *hop {
	h := in.hop()
	if !in.transport.Connected() {
		h.addr = m.AnswerTo(in.source)
	}
	return &h
}

var (
	errNoFlow = errors.New("sip: the phone's connection is gone")
	errNoUDP  = errors.New("sip: UDP is not served here")
)

// Reliable implements transaction.Sender.
func (h *hop) Reliable() bool { return h.transport.Connected() }

// Send implements transaction.Sender. What the network says of a datagram the
// proxy hears later (refusals).
func (h *hop) Send(b []byte) error {
	if h.transport.Connected() {
		if f := h.out.Flows.Get(wire.FlowKey{Transport: h.transport, Peer: h.addr}); f != nil {
			return f.Enqueue(bytes.Clone(b))
		}
		return errNoFlow
	}
	if h.out.Datagrams == nil {
		return errNoUDP
	}
	h.out.Datagrams.Send(b, h.addr)
	return nil
}

// ended is closed when the connection ends; nil for datagrams.
func (h *hop) ended() <-chan struct{} {
	if !h.transport.Connected() {
		return nil
	}
	if f := h.out.Flows.Get(wire.FlowKey{Transport: h.transport, Peer: h.addr}); f != nil {
		return f.Closed
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// keep makes a connection over which somebody known has called last when it is
// silent, as one over which somebody registered does.
func (h *hop) keep() {
	if h.transport.Connected() {
		h.out.Flows.Keep(wire.FlowKey{Transport: h.transport, Peer: h.addr})
	}
}

// alive tells whether there is a way to send at all.
func (h *hop) alive() bool {
	return !h.transport.Connected() || h.out.Flows.Get(wire.FlowKey{Transport: h.transport, Peer: h.addr}) != nil
}

// via writes the value of our Via on the way to the hop.
func (h *hop) via(v []byte, branch string) []byte {
	v = append(v, "SIP/2.0/"...)
	v = append(v, h.transport.String()...)
	v = append(v, ' ')
	v = append(v, h.out.Via[h.transport]...)
	v = append(v, ";rport;branch="...)
	return append(v, branch...)
}
