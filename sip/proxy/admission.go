package proxy

import (
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// admission decides whether a request within a dialog may follow its Route: its sender
// is one of the two sides, or another node, which has asked; the dialog is not over; and
// its DNs are still there. A token alone is no permission: it was seen by many.
type admission struct {
	machine *fsm.Machine
	self    dn.Node
	store   *location.Store
	trunks  *trunks
	callers *callers
	dialogs *dialog.Table
	births  *births
	now     func() time.Time
	// proved are who has proved by digest to be a side of a dialog, from elsewhere.
	proved *recent.Set
}

// admit tells whether the request goes on; otherwise the answer is filled in, or left
// without a code: then nothing is answered.
func (ad *admission) admit(sh *shard, m *message.Message, in *packet, s *route.Set, key dialog.Key, a *answer.Answer) bool {
	if !ad.isParty(m, in, s, key, a) {
		return false
	}
	bye := methodOf(m) == methodBye
	first, last := ad.standing(sh, m, &s.First, key), ad.standing(sh, m, &s.Last, key)
	switch over := first == dialogOver || last == dialogOver; {
	case over && bye:
		a.Set(byeAgreed.Code, byeAgreed.Reason)
	case over:
		a.Set(481, "Call/Transaction Does Not Exist")
	case bye && (first == dialogKnown || last == dialogKnown): // whoever was deleted may hang up
		return true
	case !ad.configured(s):
		a.Refuse(403, "A DN of the dialog is disabled or deleted")
	default:
		return true
	}
	return false
}

// isParty tells whether the sender is a side of the dialog, or a node that has found
// that out.
func (ad *admission) isParty(m *message.Message, in *packet, s *route.Set, key dialog.Key, a *answer.Answer) bool {
	switch {
	case in.peer != "", s.Near && ad.isSide(&s.First, in):
		return true
	case !s.Near:
		a.Set(403, "Not a party of the dialog")
		return false
	}
	who := proof{key, in.source, in.transport}.hash()
	if ad.proved.Has(who) {
		return true
	}
	trunk := ad.trunks.get(s.First.Number)
	if s.First.Purpose == route.Trunk && trunk.asked() == nil || string(m.Method) == "ACK" {
		a.Set(403, "Not a party of the dialog")
		a.Stranger = s.First.Purpose == route.Trunk
		return false
	}
	if s.First.Purpose == route.Trunk {
		return ad.callers.prove(m, in, ad.machine.View(), trunk, a)
	}
	if ad.callers.authenticate(m, in, ad.machine.View(), []byte(s.First.Number), a) == nil {
		return false
	}
	ad.proved.Add(who)
	return true
}

// isSide tells whether a request came from where the token leads: the flow of the phone,
// one that its DN has now, or the gateway: as the trunk is configured, or at the address
// that the call went to.
func (ad *admission) isSide(k *route.Token, in *packet) bool {
	if k.Purpose == route.Trunk {
		took := k.Called && k.Transport == in.transport && k.Addr == in.source
		return ad.trunks.speaks(k.Number, in) || took && ad.trunks.get(k.Number).asked() == nil
	}
	if k.Transport == in.transport && k.Addr == in.source {
		return true
	}
	e := ad.store.Get(k.Number)
	if e == nil {
		return false
	}
	for i := range e.Bindings {
		b := &e.Bindings[i]
		if b.Transport == in.transport && (b.Source == in.source || Reach(b) == in.source) && b.Expires.After(ad.now()) {
			return true
		}
	}
	return false
}

// standing is what this node knows of the dialog that a token was made for.
type standing uint8

const (
	// dialogUnknown: the token says what there is to know: another node made it, or this
	// one before it was started again.
	dialogUnknown standing = iota
	dialogKnown
	dialogOver
)

func (ad *admission) standing(sh *shard, m *message.Message, k *route.Token, key dialog.Key) standing {
	if k.Purpose != route.Phone && k.Purpose != route.Trunk || k.Node != ad.self {
		return dialogUnknown
	}
	if k.Birth == 0 {
		if k.Retired || k.Expired(ad.now()) || !ofSubscription(m) {
			return dialogOver
		}
		return dialogUnknown
	}
	if _, ok := sh.settingUp[k.Birth]; ok {
		return dialogKnown
	}
	switch open, lingers := ad.dialogs.Standing(key, k.Birth); {
	case open, lingers && afterTheEnd(m):
		return dialogKnown
	case lingers, ad.births.mine(k.Birth), k.Retired, k.Expired(ad.now()), ad.dialogs.Ended(key):
		return dialogOver
	}
	return dialogUnknown
}

// ofSubscription tells whether a request may be one of a dialog that no INVITE began.
func ofSubscription(m *message.Message) bool {
	switch string(m.Method) {
	case "INVITE", "ACK", "BYE", "PRACK", "UPDATE":
		return false
	}
	return true
}

// afterTheEnd tells whether a request may come in a dialog that lingers.
func afterTheEnd(m *message.Message) bool {
	switch string(m.Method) {
	case "ACK", "BYE", "NOTIFY":
		return true
	}
	return false
}

// configured tells whether the DNs of the tokens are there. The other side's, when that
// is at another node, is looked at there.
func (ad *admission) configured(s *route.Set) bool {
	v := ad.machine.View()
	for _, k := range [...]*route.Token{&s.First, &s.Last} {
		if k.Purpose == route.None {
			continue
		}
		if d := v.DN(string(k.Number)); d == nil || d.GetDisabled() {
			return false
		}
	}
	return true
}

// maxProofs is how many proofs are remembered at least.
const maxProofs = 16384

// proof is who has proved to be a side of a dialog, by where it sent from.
type proof struct {
	dialog    dialog.Key
	source    netip.AddrPort
	transport location.Transport
}

func (p proof) hash() uint64 { return recent.Hash(p) }
