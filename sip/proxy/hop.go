package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"net/netip"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/trace"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// hop is where a message goes next: another node, an address for datagrams, or the
// connection that a phone opened. It implements transaction.Sender.
type hop struct {
	out *exits
	// peer is another node, group that of the Call-ID; "" for others.
	peer  dn.Node
	group uint16

	transport location.Transport
	addr      netip.AddrPort
	// dials: a connection is opened when there is none, with who has a certificate of name.
	dials bool
	name  string
}

// exits are the ways out of the proxy, nil before Connect, and who remembers what went
// through; nil for nobody.
type exits struct {
	*wire.Exits
	trace *trace.Log
}

// carrier is the hop to an address of a trunk.
func (e *exits) carrier(w carrier.Way) *hop {
	return &hop{out: e, transport: w.Transport, addr: w.Addr, dials: w.Transport.Connected(), name: w.Name}
}

// peer is the hop to another node, for what belongs to a Call-ID.
func (e *exits) peer(node dn.Node, callID []byte) *hop {
	return &hop{out: e, peer: node, group: peer.Group(callID), transport: location.TCP}
}

// packet is how a message came.
type packet struct {
	exits     *exits
	source    netip.AddrPort
	transport location.Transport
	// peer is the node that it came from, group that of its Call-ID; "" for others.
	peer  dn.Node
	group uint16
	late  bool // a call that begins by it has to give way
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
	return hop{out: in.exits, peer: in.peer, group: in.group, transport: in.transport, addr: in.source}
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
	errNoFlow  = errors.New("sip: the phone's connection is gone")
	errNoUDP   = errors.New("sip: UDP is not served here")
	errNoPeers = errors.New("sip: there is no way to other nodes")
	errEnded   = errors.New("the connection has ended")
	errRefused = errors.New("the network says that nobody is there")
	errSilent  = errors.New("it says nothing")
	errTooLong = errors.New("sip: the message is too long for the way")
)

// Reliable implements transaction.Sender.
func (h *hop) Reliable() bool { return h.transport.Connected() }

// Resent implements transaction.Sender: so is what may have gone with a stream.
func (h *hop) Resent() bool { return h.peer != "" || !h.transport.Connected() }

// flow is the connection that a phone or a gateway opened; nil when the hop is none, or
// it is gone.
func (h *hop) flow() *wire.Flow {
	if h.peer != "" || !h.transport.Connected() {
		return nil
	}
	return h.out.Flows.Get(wire.FlowKey{Transport: h.transport, Peer: h.addr})
}

// connected tells whether the hop is such a connection.
func (h *hop) connected() bool { return h.peer == "" && h.transport.Connected() && !h.dials }

// dialer opens the connections of the hop's kind.
func (h *hop) dialer() *wire.Dialer { return h.out.Dialers[h.transport] }

func (h *hop) remote() wire.Remote {
	return wire.Remote{Transport: h.transport, Addr: h.addr, Name: h.name}
}

// Send implements transaction.Sender.
func (h *hop) Send(b []byte) error {
	h.out.trace.Sent(b, trace.Way{Peer: h.peer, Transport: h.transport, Addr: h.addr})
	return h.transmit(b)
}

// transmit sends a message. What the network says of a datagram the
// proxy hears later (refusals).
func (h *hop) transmit(b []byte) error {
	switch {
	case h.peer != "":
		if h.out.Peers == nil {
			return errNoPeers
		}
		if len(b) > peer.MaxMessage {
			return errTooLong
		}
		return h.out.Peers.Send(h.peer, h.group, b)
	case h.dials:
		return h.dialer().Send(h.remote(), b)
	case h.transport.Connected():
		if f := h.flow(); f != nil {
			return f.Enqueue(bytes.Clone(b))
		}
		return errNoFlow
	case h.out.Datagrams == nil:
		return errNoUDP
	}
	if len(b) > wire.MaxDatagram {
		return errTooLong
	}
	h.out.Datagrams.Send(b, h.addr)
	return nil
}

// ended is closed when the connection ends that somebody has opened; nil for others.
func (h *hop) ended() <-chan struct{} {
	if !h.connected() {
		return nil
	}
	if f := h.flow(); f != nil {
		return f.Closed
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// dialled is closed when the connection ends that this node opens; nil for others.
func (h *hop) dialled() <-chan struct{} {
	if !h.dials {
		return nil
	}
	ended, err := h.dialer().Ended(h.remote())
	if err != nil {
		return nil // what is sent says the same
	}
	return ended
}

// why is why nobody is there, of what became of a request.
func (h *hop) why(err error) error {
	switch {
	case errors.Is(err, transaction.ErrUnsent) && h.dials:
		return cmp.Or(h.dialer().Why(h.remote()), errEnded)
	case errors.Is(err, errNoFlow):
		return errEnded
	case errors.Is(err, transaction.ErrUnsent):
		return errRefused
	}
	return err
}

// keep makes a connection over which somebody known has called last when it is
// silent, as one over which somebody registered does.
func (h *hop) keep() {
	if h.connected() {
		h.out.Flows.Keep(wire.FlowKey{Transport: h.transport, Peer: h.addr})
	}
}

// alive tells whether there is a way to send at all.
func (h *hop) alive() bool { return !h.connected() || h.flow() != nil }

// via writes the value of our Via on the way to the hop.
func (h *hop) via(v []byte, branch string) []byte {
	v = append(v, "SIP/2.0/"...)
	v = append(v, h.transport.String()...)
	v = append(v, ' ')
	host := h.out.Via.Of(h.transport, h.addr.Addr())
	for t := location.UDP; host == "" && t <= location.TLS; t++ {
		host = h.out.Via.Of(t, h.addr.Addr()) // what is not served here: the answer comes by the same connection
	}
	v = append(v, host...)
	if h.peer == "" {
		v = append(v, ";rport"...)
	}
	v = append(v, ";branch="...)
	return append(v, branch...)
}
