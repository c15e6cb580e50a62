package proxy

import (
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Phones is told which phones answer what they are sent, by their binding: its
// DN, contact and Call-ID. The methods must neither wait nor call the proxy.
type Phones interface {
	// Silent: the phone said nothing to an INVITE within the option's time for a
	// first word, or the network says that nobody is there. cseq is that of its last
	// REGISTER before it was called: one that it has sent since is a word too.
	Silent(n dn.Number, contact, callID string, cseq uint32)
	// Heard: the phone answered a request for the first time.
	Heard(n dn.Number, contact, callID string)
}

type noPhones struct{}

func (noPhones) Silent(dn.Number, string, string, uint32) {}
func (noPhones) Heard(dn.Number, string, string)          {}

// silence is how many T1 a node may take for its first word, trunkSilence an address of a
// trunk: four and two seconds.
const silence, trunkSilence = 8, 4

// noFirstWord is the reason of the 100 by which the node of the phones tells
// that of the call that none has said a word in its time. No 100 goes further
// than to the next node, so nobody else sees or says it.
const noFirstWord = "No First Word"

// awaitWord gives the branches to legs of a kind their time for a first word.
func (a *Attempt) awaitWord(l *leg) {
	d := time.Duration(a.c.in.machine.View().Options().GetFirstWordMs()) * time.Millisecond
	switch {
	case l.way != nil:
		d = trunkSilence * a.c.sh.T1()
	case l.silent:
		d = silence * a.c.sh.T1()
	}
	if d > 0 && a.c.invite {
		a.silence.Set(d)
	}
}

// unheard ends the time for a first word. Nodes and gateways that have said none
// are given up; a phone may have lost its way to us for a moment, so it is waited
// for while nobody else can be asked.
func (a *Attempt) unheard() {
	for _, b := range a.branches {
		switch {
		case b.final != nil || b.heard:
		case b.silent:
			b.final = &result{code: 408, reason: "Request Timeout", retry: true}
			b.tellSilent(errSilent)
		default:
			b.noWord()
		}
	}
	if a.stopped != nil {
		a.leave() // who has not said a word has no last one
	} else if a.ask() {
		a.awaitWord(a.branches[0].leg) // somebody else may be there by then
	}
}

// noWord notes that the phone let its time pass.
func (b *branch) noWord() {
	if !b.mute {
		b.mute = true
		b.c.in.phones.Silent(b.number, b.phone.Contact, b.phone.CallID, b.phone.CSeq)
	}
}

// word notes a response.
func (b *branch) word(res *message.Message) {
	if b.phone == nil {
		b.heard = true
		b.tellHeard(res)
		return
	}
	if b.mute = false; !b.heard {
		b.heard = true
		b.c.in.phones.Heard(b.number, b.phone.Contact, b.phone.CallID)
	}
}

// relayed takes what another node says of its phones.
func (b *branch) relayed(res *message.Message) {
	switch {
	case !b.peer:
	case res.Status == 100 && string(res.Reason) == noFirstWord:
		b.mute = true
	case res.Status == 100, res.Status == 408, res.Status == 480, res.Status == 487: // a node's own words
	default:
		b.mute = false
	}
}

// ask tells whoever sent the call that none of its phones says a word; false
// when that is not so, or others are called next anyway.
func (a *Attempt) ask() bool {
	if a.stopped != nil || len(a.later) > 0 || !a.wordless() {
		return false
	}
	if c := a.c; c.origin.kind == fromPeer {
		_ = c.srv.Respond(100, c.sh.answer(c.req, &answer.Answer{Code: 100, Reason: noFirstWord})) // it comes again
	}
	if a.on != nil {
		a.on(invite.NoWord)
	}
	return true
}

// wordless tells whether no phone has said a word in its time.
func (a *Attempt) wordless() bool {
	for _, b := range a.branches {
		if !b.mute {
			return false
		}
	}
	return true
}

// leave turns away from phones that said nothing: their first word now brings a
// CANCEL, and a late 2xx its ACK and BYE, unless the call still wants one.
func (a *Attempt) leave() {
	for _, b := range a.branches {
		if b.final == nil && b.mute {
			b.final = &result{code: 408, reason: "Request Timeout"}
			b.cancel(reasonOf(408, "Request Timeout"))
		}
	}
}
