package proxy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/gruu"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// dialogPath tells where requests of a dialog go, by their Route alone.
type dialogPath struct {
	machine *fsm.Machine
	exits   *exits
	store   *location.Store
	trunks  *trunks
	now     func() time.Time
	// heard tells whether the peer is.
	heard func(dn.Node) bool
	ended departed
	ring  *route.Ring
	// owner is OwnerOf.
	owner func(dn.Number) (*configpb.Node, bool)
}

var (
	errNoPeer   = &message.Fault{Code: 404, Reason: "The node of the Route is not in the cluster"}
	errForeign  = &message.Fault{Code: 403, Reason: "Route to elsewhere"}
	errNoTrunk  = &message.Fault{Code: 404, Reason: "The trunk of the Route is gone"}
	errFlowGone = &message.Fault{Code: 480, Reason: "The phone's connection is gone"}
)

// next finds where a request of a dialog goes (RFC 3261 §16.12). The contact is where the
// other side says that it is reached; nil when that is not known. ends: it is a BYE.
func (d *dialogPath) next(s *route.Set, contact []byte, within *route.Dialog, ends bool) (to *hop, f *message.Fault) {
	if s.Peer.Purpose != route.None {
		to, over := d.past(s, within)
		if to != nil {
			return to, nil
		}
		if over {
			return d.last(s, contact, within, ends)
		}
		if d.machine.View().Node(string(s.Peer.Node)) == nil {
			return nil, errNoPeer
		}
		return d.exits.peer(s.Peer.Node, within.CallID), nil
	}
	return d.last(s, contact, within, ends)
}

// last is next where no other node is on the way.
func (d *dialogPath) last(s *route.Set, contact []byte, within *route.Dialog, ends bool) (to *hop, f *message.Fault) {
	switch s.Last.Purpose {
	case route.Phone:
		return d.flowOf(s, contact, within)
	case route.Trunk:
		return d.toTrunk(s, ends && contact != nil)
	}
	return nil, errForeign
}

// flowOf is the flow of the phone that a token names: that of its present
// binding when it registered again from elsewhere. Another port than that of the flow
// has to be the one that the phone gave for the call. A call of sips stays with flows of TLS.
func (d *dialogPath) flowOf(s *route.Set, contact []byte, within *route.Dialog) (*hop, *message.Fault) {
	k := &s.Last
	h := &hop{out: d.exits, transport: k.Transport, addr: k.Addr}
	if !h.Reliable() && len(s.Rest) == 0 && contact != nil && message.EqualURI(contact, s.URI) {
		h.addr = reachURI(s.URI, k.Addr)
	}
	live := d.bindings(k.Number)
	if s.Secure {
		live = slices.DeleteFunc(live, func(b location.Binding) bool { return !sealed(b.Transport) })
	}
	known := false
	for i := range live {
		b := &live[i]
		called := message.EqualURI([]byte(b.Contact), s.URI)
		switch {
		case b.Mapped && b.Source == k.Addr && !called:
			h.addr, known = k.Addr, true
		case called:
			h.transport, h.addr, known = b.Transport, Reach(b), true
		case b.Transport == k.Transport && (b.Source == k.Addr || Reach(b) == k.Addr):
			known = true
		}
	}
	one := gruu.Of(s.URI, k.Number) != nil
	if h.alive() && h.addr.IsValid() && !one { // it may be there yet: what has come over a connection is another phone
		live = slices.DeleteFunc(live, func(b location.Binding) bool { return b.Transport != k.Transport })
	}
	if !known || !h.alive() || one {
		if b := moved(s, live); b != nil {
			h.transport, h.addr = b.Transport, Reach(b)
		} else if to := d.elsewhere(s, within, h); to != nil {
			return to, nil
		}
	}
	if !h.alive() || !h.addr.IsValid() || s.Secure && !sealed(h.transport) {
		return nil, errFlowGone
	}
	return h, nil
}

// bindings are the present ones of a DN here.
func (d *dialogPath) bindings(n dn.Number) []location.Binding {
	e := d.store.Get(n)
	if e == nil {
		return nil
	}
	now := d.now()
	return slices.DeleteFunc(e.Bindings, func(b location.Binding) bool { return !b.Expires.After(now) })
}

// moved is where the phone of a call is by now, which has registered anew from elsewhere
// since: the one that the URI, a GRUU, names, which then is its Contact; else the only one,
// or the only one of that user; nil when that is not known.
func moved(s *route.Set, live []location.Binding) (to *location.Binding) {
	if len(s.Rest) > 0 {
		return nil // the edge proxy knows
	}
	if one := gruu.Of(s.URI, s.Last.Number); one != nil {
		for i := range live {
			if gruu.Names(one, &live[i]) {
				to = &live[i]
				s.URI = message.RequestURI([]byte(to.Contact))
			}
		}
		return to
	}
	if len(live) == 1 {
		return &live[0]
	}
	u, _ := message.ParseURI(s.URI)
	for i := range live {
		c, ok := message.ParseURI([]byte(live[i].Contact))
		switch {
		case !ok || string(c.User) != string(u.User):
		case to != nil:
			return nil
		default:
			to = &live[i]
		}
	}
	return to
}

// elsewhere is the node at which the phone of a call has registered since its connection
// here was lost, or has a GRUU; nil for none. That node finds it by the token on top of the
// Route.
func (d *dialogPath) elsewhere(s *route.Set, within *route.Dialog, h *hop) *hop {
	node, inService := d.owner(s.Last.Number)
	if h.alive() && gruu.Of(s.URI, s.Last.Number) == nil || !inService || node == nil || len(s.Rest) > 0 {
		return nil
	}
	return d.onward(s.Last, node, s, within, h.connected())
}

// toTrunk is the way to a gateway: the connection that it has opened, the address that
// it gave for the call, the one that the call went to, or another one of its; each is one
// of the trunk's now, but where a call that is known to be up ends: whoever has taken it
// hears of its end, whatever became of the trunk.
func (d *dialogPath) toTrunk(s *route.Set, ends bool) (*hop, *message.Fault) {
	k := &s.Last
	took := ends && k.Called && k.Addr.IsValid()
	if h := (&hop{out: d.exits, transport: k.Transport, addr: k.Addr}); h.connected() && h.alive() && (took || d.trunks.speaks(k.Number, &packet{exits: d.exits, source: k.Addr, transport: k.Transport})) {
		if k.Called && d.trunks.leads(k.Number, k.Addr) {
			return d.exits.carrier(d.trunks.by(k, k.Addr, k.Transport)), nil // it was opened here, and may be again
		}
		return h, nil
	}
	uri := s.URI
	if len(s.Rest) > 0 {
		a, _ := message.ParseAddress(s.Rest[0])
		uri = a.URI
	}
	if u, ok := message.ParseURI(uri); ok && u.IsSIP() {
		if addr, ok := u.AddrPort(); ok && d.trunks.leads(k.Number, addr) {
			return d.exits.carrier(d.trunks.at(k, addr, &u)), nil
		}
	}
	if k.Called && d.trunks.leads(k.Number, k.Addr) {
		return d.exits.carrier(d.trunks.at(k, k.Addr, &message.URI{})), nil
	}
	if took && !k.Transport.Connected() { // another connection could not be told whose it is
		return d.exits.carrier(carrier.Way{Transport: k.Transport, Addr: k.Addr}), nil
	}
	if ways := d.trunks.ways(k.Number); len(ways) > 0 {
		return d.exits.carrier(ways[0]), nil
	}
	if w, ok := d.trunks.book.Any(k.Number); ok { // it is down, and may take what belongs to a call
		return d.exits.carrier(w), nil
	}
	return nil, errNoTrunk
}

// spoken is the transport by which a URI says that it is reached (RFC 3261 §19.1.1); false
// when it says none by which trunks are.
func spoken(u *message.URI) (location.Transport, bool) {
	if message.EqualFold(u.Scheme, "sips") {
		return location.TLS, true
	}
	name, _ := message.Param(u.Params, "transport")
	for t := location.UDP; t <= location.TLS; t++ {
		if message.EqualFold(name, t.String()) {
			return t, true
		}
	}
	return 0, false
}

// at is how a trunk is spoken to at an address that is one of its, in the call of a token: as
// the URI there says, else as it is configured there, else as the call came. What began over
// TLS stays so, with whom the trunk is configured to be.
func (t *trunks) at(k *route.Token, addr netip.AddrPort, u *message.URI) carrier.Way {
	w, known := t.book.At(k.Number, addr, k.Transport)
	by, said := spoken(u)
	switch {
	case k.Transport == location.TLS:
		by = location.TLS
	case said:
	case known:
		by = w.Transport
	default:
		by = k.Transport
	}
	return t.by(k, addr, by)
}

// by is how a trunk is spoken to at an address that is one of its, by a transport.
func (t *trunks) by(k *route.Token, addr netip.AddrPort, transport location.Transport) carrier.Way {
	w, known := t.book.At(k.Number, addr, transport)
	if known && w.Transport == transport {
		return w
	}
	w.Transport, w.Addr, w.Name = transport, addr, ""
	if transport == location.TLS {
		w.Name = carrier.NameOf(t.get(k.Number).configured())
	}
	return w
}
