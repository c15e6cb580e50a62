package proxy

import (
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A REFER that a phone sends to a gateway has that make a call for it. The phone's class
// of service counts for that call too.

var errOutOfClass = &message.Fault{Code: 403, Reason: "Not in the DN's class of service"}

func isReferTo(h *message.Header) bool {
	return message.EqualFold(h.Name, "refer-to") || message.EqualFold(h.Name, "r")
}

// referred is nil for a request that may go on as far as that is concerned. The node of
// the phone decides, for a gateway of any node.
func (rs *relays) referred(m *message.Message, s *route.Set) *message.Fault {
	toTrunk := s.Last.Purpose == route.Trunk && s.Peer.Purpose == route.None || s.Peer.Purpose == route.Trunk
	if string(m.Method) != "REFER" || !s.Near || s.First.Purpose != route.Phone || !toTrunk {
		return nil
	}
	o := rs.path.machine.View().DN(string(s.First.Number)).GetOutbound()
	if o == nil {
		return nil
	}
	for i := range m.Headers {
		h := &m.Headers[i]
		if !isReferTo(h) {
			continue
		}
		a, _ := message.ParseAddress(h.Value)
		if u, ok := message.ParseURI(a.URI); !ok || !o.Allows(userOf(&u)) {
			return errOutOfClass
		}
	}
	return nil
}
