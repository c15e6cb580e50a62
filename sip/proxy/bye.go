package proxy

import (
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/message"
)

// A call is over when one side says so, whether or not the other can be told. A BYE
// ends it when it is answered, by whatever but a challenge, which asks for it again;
// when there is no way to the other side; and when that does not answer for byeAnswer.
// The BYE is tried until timer F nevertheless, and its sender hears the answer, or 200
// where none can come or takes longer than byePatience.
//
// Both are numbers of T1: half a second and four seconds.
const byeAnswer, byePatience = 1, 8

var byeAgreed = answer.Answer{Code: 200, Reason: "OK"}

// refuse answers a request that goes no further.
func (rs *relays) refuse(sh *shard, m *message.Message, in *packet, at dialog.Ref, f *message.Fault, gaps answer.Gaps) {
	a := answer.Answer{Code: f.Code, Reason: f.Reason, Refusal: f == errNoPeer || f == errNoTrunk, Stranger: f == errNoTrunk}
	switch f {
	case errNoREFER:
		a.Header("Allow", carrierAllows)
	case errFlowGone:
		a = away(m, f.Reason)
	}
	if methodOf(m) != methodBye || gaps.Deny(&a) && !in.transport.Connected() {
		sh.deny(m, in, &a, gaps)
		return
	}
	if over := rs.dialogs.HungUp(at, false); over != nil {
		sh.After(over.Release)
	}
	sh.refuse(m, in, &byeAgreed)
}

// againAfter is when somebody may ask again, in seconds.
const againAfter = 2

// again is the answer to a request within a call for which it is too early. It ends no call, as
// 480 does (RFC 5057 §5.1), and 503 for many.
func again(reason string) (a answer.Answer) {
	a.Set(500, reason)
	a.Number("Retry-After", againAfter)
	return a
}

// away is the answer for a party that is not reached, and may be in a moment, when its node or
// its connection is back. Who asks whether somebody is there hears 480.
func away(m *message.Message, reason string) (a answer.Answer) {
	if string(m.Method) == "OPTIONS" {
		a.Set(480, reason)
		return a
	}
	return again(reason)
}

// hungUp ends the dialog of the BYE. told: the other side has answered it.
func (x *relay) hungUp(told bool) {
	if x.ended {
		return
	}
	x.ended = true
	if over := x.in.dialogs.HungUp(x.at, told); over != nil {
		x.sh.After(over.Release)
	}
}

// unanswered has waited for the answer to the BYE.
func (x *relay) unanswered() {
	if !x.ended {
		x.hungUp(false)
		x.alarm.Set((byePatience - byeAnswer) * x.sh.T1())
		return
	}
	x.agree()
}

// agree answers the sender of the BYE.
func (x *relay) agree() {
	if x.answered {
		return
	}
	x.answered = true
	x.sh.stats.Answered(byeAgreed.Code)
	var m message.Message
	x.req.Read(&m)
	_ = x.srv.Respond(byeAgreed.Code, x.sh.answer(&m, &byeAgreed)) // it is repeated
}
