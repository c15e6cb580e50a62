package proxy

import (
	"strings"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// recordRoutes writes our entries in the Record-Route (RFC 3261 §16.6 step 4).
type recordRoutes struct {
	tokens *tokenCodec
	self   dn.Node
	hosts  [location.WSS + 1]string // host:port by transport
}

// entry is our entry in the Record-Route for one side of the call.
func (rr *recordRoutes) entry(k *Token, callID []byte) []byte {
	out := append(make([]byte, 0, 160), "<sip:"...)
	out = append(out, rr.tokens.Encode(k, callID)...)
	out = append(out, '@')
	out = append(out, rr.hosts[k.Transport]...)
	switch k.Transport {
	case location.UDP:
	case location.WS, location.WSS:
		out = append(out, ";transport=ws"...)
	default:
		out = append(append(out, ";transport="...), strings.ToLower(k.Transport.String())...)
	}
	return append(out, ";lr>"...)
}

// sides are the Record-Route entries for a request: the called
// side on top unless a peer's, the
// caller's below. A peer's side is the peer's.
func (rr *recordRoutes) sides(req *message.Message, called *Token, o *callOrigin) (list [][]byte) {
	switch string(req.Method) {
	case "INVITE", "SUBSCRIBE", "REFER":
	default:
		return nil // nothing follows
	}
	callID := req.Get(message.CallID)
	if called != nil {
		list = append(list, rr.entry(called, callID))
	}
	switch o.kind {
	case fromPhone:
		list = append(list, rr.entry(&Token{Purpose: ToPhone, Node: rr.self, Number: o.dn, Transport: o.hop.transport, Addr: o.hop.addr}, callID))
	case fromTrunk:
		list = append(list, rr.entry(&Token{Purpose: ToTrunk, Node: rr.self, Transport: o.hop.transport, Addr: o.hop.addr}, callID))
	case fromPeer:
	}
	return list
}
