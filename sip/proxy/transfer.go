package proxy

import (
	"bytes"

	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A REFER that a phone here sends within a call gets a parameter on the URI that it asks
// the other side to call: a sealed word for the node at which that call arrives, which says
// which call it goes on with. Who is asked calls the URI as it is (RFC 3515, RFC 3261
// section 19.1.1), whichever node that leads to, so nobody has to be told beforehand.

// transferParam is that parameter.
const transferParam = "sipcluster"

// mark has a REFER go on with the parameter, and notes it for the phone here that is asked.
func (rs *relays) mark(m *message.Message, s *route.Set, at dialog.Ref, ch *message.Changes) {
	h := onlyReferTo(m)
	if h == nil {
		return
	}
	a, _ := message.ParseAddress(h.Value)
	u, ok := message.ParseURI(a.URI)
	if !ok || !u.IsSIP() {
		return
	}
	word, has := message.Param(u.Params, transferParam)
	if !has {
		if word = rs.seal(s, at, u.Headers); word == nil {
			return
		}
		markWith(h, &a, word, ch)
	}
	if s.Peer.Purpose == route.None && s.Last.Purpose == route.Phone {
		rs.asked.Add(s.Last.Number, a.URI, word)
	}
}

// seal is the word for a REFER that a phone here sends; nil for another.
func (rs *relays) seal(s *route.Set, at dialog.Ref, headers []byte) []byte {
	t := route.Transfer{Call: rs.dialogs.Call(at.Key), By: s.First.Number, Minute: route.MinuteOf(rs.path.now())}
	if !s.Near || s.First.Purpose != route.Phone || t.Call == "" {
		return nil
	}
	t.Previous = rs.replaced(headers)
	return rs.routes.Ring.SealTransfer(&t)
}

// markWith writes the Refer-To with the word.
func markWith(h *message.Header, a *message.Address, word []byte, ch *message.Changes) {
	u, _ := message.ParseURI(a.URI)
	line := append(append(append([]byte("Refer-To: "), a.Display...), '<'), a.URI[:len(a.URI)-len(u.Headers)]...)
	line = append(append(line, ';'), transferParam...)
	line = append(append(append(line, '='), word...), u.Headers...)
	line = append(append(append(line, '>'), a.Params...), "\r\n"...)
	ch.Lines = append(bytes.Clone(ch.Lines), line...)
	drop := ch.Drop
	ch.Drop = func(x *message.Header) bool { return x == h || drop != nil && drop(x) }
}

// onlyReferTo is the one Refer-To of a REFER; nil without one, or with several.
func onlyReferTo(m *message.Message) (only *message.Header) {
	for i := range m.Headers {
		switch h := &m.Headers[i]; {
		case !h.Is(referTo):
		case only != nil:
			return nil
		default:
			only = h
		}
	}
	return only
}

// replaced is the call whose dialog is to be replaced, by the header in a URI (RFC 3891);
// "" for none that is known here.
func (rs *relays) replaced(headers []byte) string {
	id, params := message.Leading(message.URIHeader(headers, "replaces"))
	to, _ := message.Param(params, "to-tag")
	from, _ := message.Param(params, "from-tag")
	if call := rs.dialogs.Call(dialog.KeyOf(id, from, to)); call != "" {
		return call
	}
	return rs.dialogs.Call(dialog.KeyOf(id, to, from))
}

// maxTransfer is how long who is asked to call somebody may take to do so, in minutes by
// the clocks of two nodes.
const maxTransfer = 5

// transferOf is what the parameter says in the URI that a caller calls, or the REFER that
// asked it to; nil without one that holds.
func (cs *calls) transferOf(u *message.URI, o *callOrigin, uri []byte) *invite.Transfer {
	v, has := message.Param(u.Params, transferParam)
	switch {
	case has:
	case o.kind == fromPhone:
		v = cs.asked.Take(o.dn, uri)
	}
	if len(v) == 0 {
		return nil
	}
	now := cs.targets.now()
	t, ok := cs.routes.Ring.OpenTransfer(v)
	if age := int64(route.MinuteOf(now)) - int64(t.Minute); !ok || age > maxTransfer || age < -maxTransfer {
		return nil
	}
	return &invite.Transfer{Call: t.Call, Previous: t.Previous, By: t.By}
}
