package proxy

import (
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// dialogPath tells where requests of a dialog go, by their Route alone.
type dialogPath struct {
	machine  *fsm.Machine
	resolver *resolver
	exits    *exits
	store    *location.Store
	trunks   *trunks
	now      func() time.Time
	// heard tells whether the peer is.
	heard func(dn.Node) bool
}

var (
	errNoPeer   = &message.Fault{Code: 404, Reason: "The node of the Route is not in the cluster"}
	errForeign  = &message.Fault{Code: 403, Reason: "Route to elsewhere"}
	errNoTrunk  = &message.Fault{Code: 404, Reason: "The trunk of the Route is gone"}
	errFlowGone = &message.Fault{Code: 480, Reason: "The phone's connection is gone"}
)

// next finds where a request of a dialog goes (RFC 3261 §16.12): nowhere yet
// when the address is a name that has to be looked up. The contact is where the other
// side says that it is reached; nil when that is not known.
func (d *dialogPath) next(s *route.Set, contact, callID []byte) (to *hop, address string, f *message.Fault) {
	if s.Peer.Purpose != route.None {
		if d.machine.View().Node(string(s.Peer.Node)) == nil {
			return nil, "", errNoPeer
		}
		return d.exits.peer(s.Peer.Node, callID), "", nil
	}
	switch s.Last.Purpose {
	case route.Phone:
		to, f = d.flowOf(s, contact)
		return to, "", f
	case route.Trunk:
		return d.toTrunk(s)
	}
	return nil, "", errForeign
}

// flowOf is the flow of the phone that a token names: that of its present
// binding when it registered again from elsewhere. Another port than that of the flow
// has to be the one that the phone gave for the call.
func (d *dialogPath) flowOf(s *route.Set, contact []byte) (*hop, *message.Fault) {
	k := &s.Last
	h := &hop{out: d.exits.Exits, transport: k.Transport, addr: k.Addr}
	if !h.Reliable() && len(s.Rest) == 0 && contact != nil && message.EqualURI(contact, s.URI) {
		h.addr = reachURI(s.URI, k.Addr)
	}
	if e := d.store.Get(k.Number); e != nil {
		for i := range e.Bindings {
			b := &e.Bindings[i]
			switch {
			case !b.Expires.After(d.now()):
			case b.Mapped && b.Source == k.Addr && !message.EqualURI([]byte(b.Contact), s.URI):
				h.addr = k.Addr
			case message.EqualURI([]byte(b.Contact), s.URI):
				h.transport, h.addr = b.Transport, Reach(b)
			}
		}
	}
	if !h.alive() {
		return nil, errFlowGone
	}
	return h, nil
}

// toTrunk is the way to a gateway: the connection that it has opened, the address that
// it gave for the call, or the one that is configured; each is one of the trunk's now.
func (d *dialogPath) toTrunk(s *route.Set) (to *hop, address string, f *message.Fault) {
	k := &s.Last
	if h := (&hop{out: d.exits.Exits, transport: k.Transport, addr: k.Addr}); h.connected() && h.alive() && d.trunks.speaks(k.Number, &packet{exits: d.exits, source: k.Addr, transport: k.Transport}) {
		return h, "", nil
	}
	uri := s.URI
	if len(s.Rest) > 0 {
		a, _ := message.ParseAddress(s.Rest[0])
		uri = a.URI
	}
	if u, ok := message.ParseURI(uri); ok && u.IsSIP() {
		if addr, ok := u.AddrPort(); ok && d.trunks.leads(k.Number, addr) {
			return d.exits.datagrams(addr), "", nil
		}
	}
	address = d.trunks.address(k.Number)
	if address == "" {
		return nil, "", errNoTrunk
	}
	addr, ok := d.resolver.get(address)
	if !ok {
		return nil, address, nil
	}
	return d.exits.datagrams(addr), "", nil
}
