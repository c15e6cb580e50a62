package proxy

import (
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/message"
)

// A phone that subscribes to its own DN wants to know what others keep for it. Its own
// phones don't know, so it never comes back to them: the trunk that keeps the voicemail
// is asked, or nobody is.

// ofVoicemail are the event packages that a voicemail may know of (RFC 3842, 3680, 6080).
var ofVoicemail = []string{"message-summary", "reg", "ua-profile"}

// outOfCalls finds where a request outside of calls goes.
func (ts *targets) outOfCalls(c *Call, a *answer.Answer) (t invite.Target, ok bool) {
	if o := &c.origin; o.kind == fromPhone && string(c.req.Method) == "SUBSCRIBE" && c.called == string(o.dn) {
		return ts.voicemail(c.req, o.dn, a)
	}
	return ts.ofDN(c.called, a)
}

// voicemail finds where a phone's SUBSCRIBE to its own DN goes.
func (ts *targets) voicemail(m *message.Message, n dn.Number, a *answer.Answer) (t invite.Target, ok bool) {
	v := ts.machine.View()
	d := v.DN(v.Options().GetVoicemailTrunk())
	kept := d.GetKind() == configpb.DNKind_DN_KIND_TRUNK && !d.GetDisabled()
	if !kept || !keptThere(m) {
		a.Set(489, "Bad Event")
		known := "refer" // that a REFER begins (RFC 3515 §2.4.4)
		if kept {
			known = strings.Join(ofVoicemail, ", ")
		}
		a.Header("Allow-Events", known) // it has to be there (RFC 6665 §8.2)
		return t, false
	}
	return invite.Target{Number: string(n), Trunk: dn.Number(d.GetNumber())}, true
}

// keptThere tells whether the package of a SUBSCRIBE is one of a voicemail's.
func keptThere(m *message.Message) bool {
	event, _ := message.Leading(m.Named("event"))
	return slices.ContainsFunc(ofVoicemail, func(name string) bool { return message.EqualFold(event, name) })
}
