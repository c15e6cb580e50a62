package proxy

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/route"
)

// departed are the peers whose process is no more, until they are heard again.
type departed struct {
	mu  sync.RWMutex
	all map[dn.Node]struct{}
}

func (e *departed) has(peer dn.Node) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	_, is := e.all[peer]
	return is
}

func (e *departed) note(peer dn.Node, is bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !is {
		delete(e.all, peer)
		return
	}
	if e.all == nil {
		e.all = map[dn.Node]struct{}{}
	}
	e.all[peer] = struct{}{}
}

// past takes a peer whose process is no more off the way of a request: to a trunk it goes
// from here, to a phone where that has registered since, as it does where its connection was
// lost. The hop is nil where that is here. Not so of a peer that just isn't heard: the phone
// may be there, and another one of its DN elsewhere would deny the call.
func (d *dialogPath) past(s *route.Set, within *route.Dialog) (to *hop, ok bool) {
	k := s.Peer
	if d.heard(k.Node) || !d.ended.has(k.Node) {
		return nil, false
	}
	switch k.Purpose {
	case route.Trunk:
	case route.Phone:
		node, inService := d.owner(k.Number)
		if !inService || len(s.Rest) > 1 || node.GetId() == string(k.Node) {
			return nil, false
		}
		if node != nil {
			return d.onward(k, node, s, within, k.Transport.Connected()), true
		}
	default:
		return nil, false
	}
	s.Last, s.Peer, s.Rest = k, route.Token{}, s.Rest[1:]
	return nil, true
}

// onward has another node find the phone of a token; flowless: by its registration alone.
func (d *dialogPath) onward(k route.Token, node *configpb.Node, s *route.Set, within *route.Dialog, flowless bool) *hop {
	tag := within.From
	if s.FromCalled {
		tag = within.To
	}
	if k.Node = dn.Node(node.GetId()); flowless {
		k.Transport, k.Addr = location.UDP, netip.AddrPort{}
	}
	s.Rest = [][]byte{fmt.Appendf(nil, "<%s:%s@%s;lr>", scheme(s.Secure), d.ring.Encode(&k, within.CallID, tag), node.GetSipAddr())}
	return d.exits.peer(k.Node, within.CallID)
}
