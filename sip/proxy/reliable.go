package proxy

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// reliable are the 180s, or what is said in place of them, of our own of a call whose caller wants to know for certain that
// it got them: each is repeated until its PRACK comes (RFC 3262 §3). What phones answer
// passes with their own numbers, as of other branches of a fork.
type reliable struct {
	c *Call
	// number is the RSeq of the last one.
	number uint32
	// every is until the next repetition; 0 when none waits for its PRACK.
	every time.Duration
	code  int
	sent  []byte
	again transaction.Alarm
	// waits: there is another word to say.
	waits bool
}

// reliableOf is nil for a call whose caller does not require it.
func reliableOf(c *Call) *reliable {
	if !c.invite || !message.HasOption(slices.Collect(c.req.All(message.Require)), "100rel") {
		return nil
	}
	r := &reliable{c: c, number: rand.Uint32N(1 << 31)}
	r.again = transaction.Alarm{Layer: c.sh.Layer, Handler: r}
	return r
}

// ring says the call's word, a 180 or another; when the one before waits yet for its PRACK
// it does so behind that.
func (r *reliable) ring() {
	if r.waits = r.every > 0; r.waits {
		return
	}
	r.number++
	a := r.c.inEarly() // where the PRACK goes
	r.code = a.Code
	a.Header("Require", "100rel")
	a.Number("RSeq", int64(r.number))
	r.sent = bytes.Clone(r.c.sh.answer(r.c.req, &a))
	r.every = r.c.sh.T1()
	r.send(r.every)
}

func (r *reliable) send(again time.Duration) {
	_ = r.c.srv.Respond(r.code, r.sent) // it is repeated
	r.again.Set(again)
}

// Fire implements transaction.AlarmHandler: it goes again, until 64*T1 are over.
func (r *reliable) Fire(uint8) {
	t1 := r.c.sh.T1()
	switch r.every *= 2; {
	case r.every > 64*t1:
		r.c.unheard()
	case r.every == 64*t1: // 63*T1 are over
		r.send(t1)
	default:
		r.send(r.every)
	}
}

// stop ends the repetitions.
func (r *reliable) stop() {
	r.every, r.sent = 0, nil
	r.again.Stop()
}

// more says what was to be said behind the 180 that is acknowledged now.
func (r *reliable) more() {
	if r.waits {
		r.ring()
	}
}

// means tells whether the RAck of a PRACK is of the last 180 (§7.2), which waits for it.
func (r *reliable) means(m *message.Message) bool {
	k, ok := parseRAck(m.Named("rack"))
	return ok && r.every > 0 && k.number == r.number && k.cseq == r.c.cseq && string(k.method) == "INVITE"
}

// unheard ends a call whose caller does not say that it heard the 180 (§3); who answers
// yet is hung up.
func (c *Call) unheard() {
	c.reject(504, "No PRACK came")
	c.reasons = [][]byte{reasonOf(504, "No PRACK came")}
	if c.gaveUp = true; c.cancel != nil {
		c.cancel()
	}
	if c.try != nil {
		c.try.abandon()
	}
}
