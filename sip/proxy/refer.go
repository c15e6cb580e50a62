package proxy

import (
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/refer"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A REFER that a phone sends to a gateway has that make a call for it. The phone's class
// of service counts for that call too.

var errOutOfClass = &message.Fault{Code: 403, Reason: "Not in the DN's class of service"}

const referTo = "refer-to"

// toCarrier tells whether a REFER of a phone here goes to a gateway, of any node.
func toCarrier(m method, s *route.Set) bool {
	toTrunk := s.Last.Purpose == route.Trunk && s.Peer.Purpose == route.None || s.Peer.Purpose == route.Trunk
	return m == methodRefer && s.Near && s.First.Purpose == route.Phone && toTrunk
}

// Many carriers take no REFER, and some don't answer one that they don't know. Their legs
// can't be joined here either, since media passes no node: so the phone hears at once that
// it can't transfer this call, and may yet call the other one by itself.
var errNoREFER = &message.Fault{Code: 405, Reason: "The carrier takes no transfers (REFER)"}

// carrierAllows is the Allow of that answer.
const carrierAllows = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY"

// noREFER is the line by which the answer of a carrier says the same.
var noREFER = []byte("Warning: 399 sipcluster \"" + errNoREFER.Reason + "\"\r\n")

// referred is nil for a request that may go on as far as that is concerned. The node of
// the phone decides, for a gateway of any node.
func (rs *relays) referred(m *message.Message, s *route.Set, at dialog.Ref) *message.Fault {
	if !toCarrier(methodOf(m), s) {
		return nil
	}
	if !rs.dialogs.TakesREFER(at.Key, at.By.Other()) {
		return errNoREFER
	}
	o := rs.path.machine.View().DN(string(s.First.Number)).GetOutbound()
	if o == nil {
		return nil
	}
	for v := range m.AllNamed(referTo) {
		a, _ := message.ParseAddress(v)
		if u, ok := message.ParseURI(a.URI); !ok || !o.Allows(numbering.NumberOf(&u)) {
			return errOutOfClass
		}
	}
	return nil
}

// refused is a line for the answer of a carrier that knows no REFER, which is not asked
// again within the call; nil for any other answer.
func (x *relay) refused(res *message.Message) []byte {
	if !x.carrier || res.Status != 405 && res.Status != 501 {
		return nil
	}
	x.in.dialogs.NoREFER(x.at.Key, x.at.By.Other())
	return noREFER
}

// becomes is what a phone that was asked to call somebody says of that, as a SIP status; 0 for
// any other request. RFC 3515 §2.4.4 has it say so at once, and §2.4.5 by a status line.
func becomes(m *message.Message) int {
	if string(m.Method) != "NOTIFY" {
		return 0
	}
	event, _ := message.Leading(m.Named("event"))
	code, _, ok := refer.Sipfrag(m.Body)
	if !ok || !message.EqualFold(event, "refer") {
		return 0
	}
	return code
}

// tellsNothing tells whether who agrees to a REFER will not say what becomes of it (RFC 4488 §4).
func tellsNothing(res *message.Message) bool {
	v, _ := message.Leading(res.Named("refer-sub"))
	return message.EqualFold(v, "false")
}
