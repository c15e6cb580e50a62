package proxy

import (
	"cmp"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/history"
	"github.com/sipcluster/sipcluster/sip/message"
)

var errForwarded = &message.Fault{Code: 482, Reason: "Forwarded too often"}

// addressOf is the URI of a DN.
func (cs *calls) addressOf(n dn.Number) []byte {
	return []byte("sip:" + escape(string(n)) + "@" + cs.machine.View().Options().GetRealm())
}

// stepOf is that a call goes to a target instead of the number that was called; nil for none.
func (cs *calls) stepOf(t *invite.Target) *history.Step {
	if t.Forwarded == "" {
		return nil
	}
	step := &history.Step{From: cs.addressOf(t.Forwarded), NoAnswer: t.Vainly}
	if n := cmp.Or(t.Deliver, t.DN); n != "" {
		step.To = cs.addressOf(n)
	}
	return step
}

// forwarded are the changes by which a call says from which number it goes on.
func (b *branch) forwarded(ch *message.Changes) {
	if b.step == nil {
		return
	}
	step := *b.step
	if step.To == nil {
		step.To = b.leg.uri
	}
	drop := ch.Drop
	stays := func(h *message.Header) bool { return drop == nil || !drop(h) }
	ch.Lines = append(ch.Lines, history.Lines(b.c.req, &step, stays)...)
	ch.Drop = func(h *message.Header) bool { return history.Of(h) || !stays(h) }
}
