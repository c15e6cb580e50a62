package proxy

import (
	"bytes"
	"slices"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// A phone that registers by several flows (RFC 5626) is one phone: it is called by one of
// them, and by another one only when that does not lead there (§7).

// instanceOf is what the phone of a flow calls itself; nil for a binding that is none.
func instanceOf(b *location.Binding) []byte {
	if b == nil {
		return nil
	}
	params := []byte(b.Params)
	if id, _ := message.Param(params, "reg-id"); len(id) == 0 {
		return nil
	}
	v, _ := message.Param(params, "+sip.instance")
	return message.Unquoted(v)
}

// flowOf tells whether a leg is a flow of the phone with that instance.
func (l *leg) flowOf(instance []byte) bool {
	return len(instance) > 0 && bytes.EqualFold(instanceOf(l.phone), instance)
}

// apart splits legs that would ring together into groups in which each phone is once, those
// of its flows first that answered their last pings.
func apart(legs []leg) (out [][]leg) {
	for len(legs) > 0 {
		var once, again []leg
		for i := range legs {
			instance := instanceOf(legs[i].phone)
			at := slices.IndexFunc(once, func(l leg) bool { return l.flowOf(instance) })
			switch {
			case at < 0:
				once = append(once, legs[i])
			case once[at].phone.Unresponsive && !legs[i].phone.Unresponsive:
				once[at], again = legs[i], append(again, once[at])
			default:
				again = append(again, legs[i])
			}
		}
		out, legs = append(out, once), again
	}
	return out
}

// spare leaves out what is left of the flows of phones that were reached.
func (a *Attempt) spare() {
	for i, group := range a.later {
		a.later[i] = slices.DeleteFunc(group, func(l leg) bool {
			return slices.ContainsFunc(a.branches, func(b *branch) bool { return b.leg.flowOf(instanceOf(l.phone)) && b.reached() })
		})
	}
	a.later = slices.DeleteFunc(a.later, func(group []leg) bool { return len(group) == 0 })
}

// reached tells whether the phone itself has had its say, and not just a proxy on the way,
// that the flow has failed, or time.
func (b *branch) reached() bool {
	return b.final == nil || b.final.res != nil && b.final.code != 430 && b.final.code != 408
}
