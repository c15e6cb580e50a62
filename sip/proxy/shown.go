package proxy

import (
	"fmt"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// A trunk is told who calls as its configuration and the DN's say: by From, which is the
// caller's otherwise, and by an identity header (RFC 3325 §5, §9). What it is told
// each later request of the dialog says again; the caller sees its own From in what comes back. Dialogs
// are known by their tags, which stay.

// shown is what is told of the caller: From's value, nil for its own, and header lines.
type shown struct{ from, lines []byte }

// nobody is the From of who is not to be known (RFC 3323 §4.1.1.3).
const nobody = `"Anonymous" <sip:anonymous@anonymous.invalid>`

// shownTo is what a leg is told of the caller.
func (c *Call) shownTo(l *leg, realm string) (s shown) {
	if l.side == nil {
		return s
	}
	number, private := string(c.origin.dn), identity.Private(c.req)
	trunk := l.trunk
	if trunk != nil {
		who, ok := numbering.Show(c.in.machine.View(), c.origin.caller(), trunk)
		if ok {
			private = private || who.Withheld
			number = who.Number
			s.from = fromHeader(&who, private, trunk, realm, c.req.Get(message.From))
		}
	}
	name := identityHeader(c, l, s.from != nil && !private)
	if name == "" || number == "" {
		return s
	}
	s.lines = fmt.Appendf(nil, "%s: <sip:%s@%s%s>\r\n", name, escape(number), realm, phoneParam(trunk))
	if private && !identity.Asked(c.req) {
		s.lines = append(s.lines, "Privacy: id\r\n"...)
	}
	return s
}

// identityHeader is by which header somebody inside is told who calls, who hears it from
// nobody else, or a carrier what its customer wants to be known by, who says so (named);
// "" for none.
func identityHeader(c *Call, l *leg, named bool) string {
	switch {
	case c.origin.kind == fromPhone && l.domain == identity.Inside:
		return "P-Asserted-Identity"
	case c.origin.kind == fromPhone && named && l.trunk.GetPreferredIdentity():
		return "P-Preferred-Identity"
	}
	return ""
}

// fromHeader is a From that names the caller as a trunk is told, or nobody, with the tag
// of the one that was there.
func fromHeader(who *numbering.Shown, private bool, trunk *configpb.Trunk, realm string, old []byte) []byte {
	var from []byte
	switch {
	case private || who.Number == "":
		from = append(from, nobody...)
	default:
		if who.Name != "" {
			from = append(message.AppendQuoted(from, who.Name), ' ')
		}
		from = fmt.Appendf(from, "<sip:%s@%s%s>", escape(who.Number), realm, phoneParam(trunk))
	}
	return appendTag(from, old)
}

func appendTag(to, old []byte) []byte {
	if a, ok := message.ParseAddress(old); ok {
		if tag, ok := message.Param(a.Params, "tag"); ok {
			to = append(append(to, ";tag="...), tag...)
		}
	}
	return to
}

// phoneParam says that a number is a telephone's, to trunks that want to hear it.
func phoneParam(t *configpb.Trunk) string {
	if t.GetUserPhone() {
		return ";user=phone"
	}
	return ""
}

// caller is who calls, as the numbering plan asks.
func (o *callOrigin) caller() numbering.Caller {
	return numbering.Caller{DN: string(o.dn), Trunk: o.kind == fromTrunk, Number: o.number}
}

// rename lets a request within a dialog say of a caller what its INVITE said to the trunk,
// or nobody's name when this node does not know that any more; false when the caller says
// it itself.
func (rs *relays) rename(m *message.Message, s *route.Set, at dialog.Ref, ch *message.Changes) bool {
	if s.Peer.Purpose != route.None || !s.Near {
		return false
	}
	v := rs.path.machine.View()
	switch {
	case s.Last.Purpose == route.Trunk && s.Last.Called:
		from := m.Get(message.From)
		if _, ok := numbering.Show(v, dialogCaller(&s.First, from), v.DN(string(s.Last.Number)).GetTrunk()); !ok {
			return false
		}
		if ch.From = rs.dialogs.NameOf(at.Key, dialog.CallerSide); ch.From == nil {
			ch.From = appendTag([]byte(nobody), from)
		}
	case s.First.Purpose == route.Trunk && s.First.Called && s.Last.Purpose == route.Phone && told(v, s):
		ch.To = appendTag(fmt.Appendf(nil, "<sip:%s@%s>", escape(string(s.Last.Number)), v.Options().GetRealm()), m.Get(message.To))
	default:
		return false
	}
	return true
}

// told tells whether the trunk that sends was told another caller than the phone's own.
func told(v *fsm.View, s *route.Set) bool {
	_, ok := numbering.Show(v, numbering.Caller{DN: string(s.Last.Number)}, v.DN(string(s.First.Number)).GetTrunk())
	return ok
}

// dialogCaller is the caller of a dialog, by the token of its side and what it says.
func dialogCaller(k *route.Token, from []byte) numbering.Caller {
	a, _ := message.ParseAddress(from)
	u, _ := message.ParseURI(a.URI)
	return numbering.Caller{DN: string(k.Number), Trunk: k.Purpose == route.Trunk, Number: numbering.NumberOf(&u)}
}
