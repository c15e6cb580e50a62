package proxy

import (
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// dialogPath tells where requests of a dialog go, by their Route alone.
type dialogPath struct {
	machine  *fsm.Machine
	resolver *resolver
	exits    *exits
	store    *location.Store
	now      func() time.Time
	// heard tells whether the peer is.
	heard func(dn.Node) bool
}

var (
	errNoPeer   = &message.Fault{Code: 404, Reason: "The node of the Route is not in the cluster"}
	errFlowGone = &message.Fault{Code: 480, Reason: "The phone's connection is gone"}
)

// next finds where a request of a dialog goes (RFC 3261 §16.12): nowhere yet
// when the address is a name that has to be looked up.
func (d *dialogPath) next(r *routing) (to *hop, address string, f *message.Fault) {
	if r.peer.Purpose != noToken {
		n := d.machine.View().Node(string(r.peer.Node))
		if n == nil {
			return nil, "", errNoPeer
		}
		addr, ok := d.resolver.get(n.GetSipAddr())
		if !ok {
			return nil, n.GetSipAddr(), nil
		}
		return d.exits.datagrams(addr), "", nil
	}
	switch r.last.Purpose {
	case ToPhone:
		to, f = d.flowOf(r)
		return to, "", f
	case ToTrunk:
		if h := (&hop{out: d.exits.Exits, transport: r.last.Transport, addr: r.last.Addr}); h.Reliable() && h.alive() {
			return h, "", nil
		}
		return d.exits.datagrams(beyondTrunk(r)), "", nil
	}
	return nil, "", errForeign
}

// flowOf is the flow of the phone that a token names: that of its present
// binding when it registered again from elsewhere.
func (d *dialogPath) flowOf(r *routing) (*hop, *message.Fault) {
	k := &r.last
	h := &hop{out: d.exits.Exits, transport: k.Transport, addr: k.Addr}
	if !h.Reliable() && len(r.rest) == 0 {
		h.addr = reachURI(r.uri, k.Addr)
	}
	if e := d.store.Get(k.Number); e != nil {
		for i := range e.Bindings {
			b := &e.Bindings[i]
			if message.EqualURI([]byte(b.Contact), r.uri) && b.Expires.After(d.now()) {
				h.transport, h.addr = b.Transport, Reach(b)
			}
		}
	}
	if !h.alive() {
		return nil, errFlowGone
	}
	return h, nil
}

// beyondTrunk is the address that the gateway gave, or the gateway's own.
func beyondTrunk(r *routing) netip.AddrPort {
	uri := r.uri
	if len(r.rest) > 0 {
		a, _ := message.ParseAddress(r.rest[0])
		uri = a.URI
	}
	u, ok := message.ParseURI(uri)
	if ok && u.IsSIP() {
		if addr, ok := u.AddrPort(); ok {
			return addr
		}
	}
	return r.last.Addr
}
