package proxy

import (
	"errors"
	"fmt"

	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/history"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// Outcome is what became of a Send.
type Outcome struct {
	invite.Outcome
	// Dialog of an answered call.
	Dialog *dialog.Dialog

	res        *message.Message // of a failure that came from there
	challenges []byte           // header lines of other branches that go with it
	domain     identity.Domain  // of who sent it
}

func failed(code int, reason string) Outcome {
	return Outcome{Outcome: invite.Outcome{Code: code, Reason: reason}}
}

// lastWords is how many T1 a phone that was told to stop may take to say so: two seconds.
const lastWords = 4

// Attempt is one Send: the branches to a target and what comes back of them.
type Attempt struct {
	c        *Call
	on       func(code int) // may be nil
	done     func(Outcome)
	branches []*branch
	later    [][]leg // groups of lesser q
	stopped  *Outcome
	answered *Outcome
	over     bool
	// leg is the call at phones here; nil before they ring.
	leg invite.Leg
	// call is the ConnID; "" for none.
	call string
	// step is that the call was forwarded, nil that it was not.
	step *history.Step
	// tried is told of addresses of a trunk that did not take the call; nil for nobody.
	tried func(invite.Way)

	noAnswer, timerC, silence, lastWords transaction.Alarm
}

// The alarms of an attempt.
const (
	alarmNoAnswer = iota
	alarmTimerC
	alarmSilence
	alarmLastWords
)

// send begins an attempt.
func (c *Call) send(t invite.Target, on func(code int), done func(Outcome)) *Attempt {
	a := &Attempt{c: c, on: on, done: done, call: t.Call, tried: t.Tried}
	for what, x := range [...]*transaction.Alarm{&a.noAnswer, &a.timerC, &a.silence, &a.lastWords} {
		*x = transaction.Alarm{Layer: c.sh.Layer, Handler: a, What: uint8(what)}
	}
	c.try = a
	a.begin(t)
	return a
}

func (a *Attempt) begin(t invite.Target) {
	c := a.c
	switch {
	case a.stopped != nil:
		a.finish(*a.stopped)
		return
	case c.gaveUp || c.final:
		a.finish(failed(487, "Request Terminated"))
		return
	case c.in.tasks.stopping():
		a.finish(failed(503, "Service Unavailable"))
		return
	}
	d := route.DialogOf(c.req)
	legs, out := c.in.targets.legs(&t, c.token(), &d, c.req.URI)
	if len(legs) == 0 {
		a.finish(out)
		return
	}
	a.later = groups(legs)
	a.step = c.in.stepOf(&t)
	if c.invite {
		a.timerC.Set(c.in.timerC)
		if t.NoAnswer > 0 {
			a.noAnswer.Set(t.NoAnswer)
		}
		a.leg = c.in.leg(&t)
	}
	a.next()
	a.check()
}

// Fire implements transaction.AlarmHandler.
func (a *Attempt) Fire(what uint8) {
	switch what {
	case alarmNoAnswer:
		out := failed(408, "No Answer")
		out.NoAnswer = true
		a.stop(out, reasonOf(408, "No answer"))
	case alarmTimerC:
		a.stop(failed(408, "Request Timeout"), reasonOf(408, "Request Timeout"))
	case alarmSilence:
		a.unheard()
	case alarmLastWords:
		a.settle()
	}
	a.check()
}

// Stop gives up: what rings is told so, and done hears of it soon.
func (a *Attempt) Stop() {
	a.c.sh.Lock()
	defer a.c.sh.Unlock()
	a.giveUp()
}

// Abandon gives up as Stop does, and waits for nobody: the target can't be heard. done
// hears of it at once; who answers yet is hung up.
func (a *Attempt) Abandon() {
	a.c.sh.Lock()
	defer a.c.sh.Unlock()
	a.abandon()
}

func (a *Attempt) abandon() {
	if a.over {
		return
	}
	a.stop(failed(487, "Request Terminated"))
	a.settle()
	a.check()
}

// giveUp stops because nobody wants the call any more.
func (a *Attempt) giveUp() {
	if a.over {
		return
	}
	a.stop(failed(487, "Request Terminated"))
	if a.c.in.tasks.stopping() {
		a.settle() // the server stops
	}
	a.check()
}

// tell takes what a branch heard.
func (a *Attempt) tell(b *branch, res *message.Message, err error) {
	a.event(b, res, err)
	a.check()
}

// event is RFC 3261 §16.7 for one response.
func (a *Attempt) event(b *branch, res *message.Message, err error) {
	if b.final != nil && (res == nil || res.Status/100 != 2) {
		return
	}
	if res != nil {
		b.relayed(res)
	}
	switch {
	case err != nil && b.leg.way != nil:
		b.trunkFailed(err)
	case errors.Is(err, errNoFlow):
		b.mute = !b.heard
		b.final = &result{code: 480, reason: "The phone's connection is gone", retry: true}
	case errors.Is(err, transaction.ErrUnsent) && b.phone != nil:
		b.noWord()
		a.ask()
		b.final = &result{code: 480, reason: "The phone is not there", retry: true}
	case errors.Is(err, transaction.ErrUnsent):
		b.final = b.unsent(err)
	case err != nil:
		b.final = &result{code: 408, reason: "Request Timeout", retry: b.silent && !b.heard}
	case res.Status < 200:
		if res.Status == 100 {
			if b.peer && b.mute {
				a.ask()
			}
			return
		}
		b.rang = true
		if a.c.invite {
			a.timerC.Set(a.c.in.timerC)
		}
		if a.stopped == nil {
			a.c.respond(res, b.domain, nil)
			if a.on != nil {
				a.on(res.Status)
			}
		}
	case res.Status < 300:
		b.final = &result{code: res.Status}
		a.won(b, res)
	case unwanted(b.leg, res):
		b.final = &result{code: 500, reason: b.account.refused(res), retry: true}
		b.tellTried()
	default:
		b.final = &result{code: res.Status, reason: string(res.Reason), res: res.Clone(), retry: b.elsewhere(res.Status), ours: b.leg.way != nil || b.peer}
		b.tellLater(res)
		b.tellTried()
		if res.Status >= 600 {
			a.stop(failed(487, "Request Terminated"), reasonOf(res.Status, "Another phone has refused"))
		}
	}
}

// won passes a 2xx on (§16.7 step 5); finish stops the others (step 10).
func (a *Attempt) won(b *branch, res *message.Message) {
	c := a.c
	out := &Outcome{Outcome: invite.Outcome{Code: res.Status, Reason: string(res.Reason), Answered: true}}
	a.answered = out
	if c.invite {
		srv, client := c.srv, b.client
		out.Dialog = c.in.dialogs.Begin(res, c.birth, func() {
			srv.Acked()
			client.Acked()
		})
		c.in.answered(b, res)
		c.in.hanger.take(c, b, a.call, out.Dialog, res)
		if leg, d := a.leg, out.Dialog; leg != nil {
			d.Then(func(dialog.Side) {
				if d.Told() {
					leg.Dropped()
				} else {
					leg.Over()
				}
			})
		}
	}
	c.finish()
	c.respond(res, b.domain, c.timer.answerLines(res))
}

// stop gives up: what rings is canceled, for a reason where the caller has none, and has a
// while to say so. A 2xx that crosses the CANCEL is passed on.
func (a *Attempt) stop(why Outcome, reason ...[]byte) {
	if a.stopped != nil {
		return
	}
	a.stopped = &why
	a.later = nil
	for _, b := range a.branches {
		b.cancel(reason...)
	}
	a.leave() // who has not said a word has no last one
	a.lastWords.Set(lastWords * a.c.sh.T1())
}

// settle stops waiting for those that were told to stop. A 2xx of theirs is late.
func (a *Attempt) settle() {
	for _, b := range a.branches {
		if b.final == nil {
			b.final = &result{code: 487, reason: "Request Terminated"}
		}
	}
}

// check ends the attempt when there is an outcome.
func (a *Attempt) check() {
	if a.over || len(a.branches) == 0 {
		return
	}
	if out, ok := a.judge(); ok {
		a.finish(out)
	}
}

// judge tells whether the attempt is over, and begins the next group when this
// one failed.
func (a *Attempt) judge() (Outcome, bool) {
	for {
		if a.answered != nil {
			return *a.answered, true
		}
		if out, over := a.trunkSaid(); over {
			return out, true
		}
		if a.waits() {
			return Outcome{}, false
		}
		noWord := a.wordless()
		a.leave()
		if a.spare(); len(a.later) == 0 {
			results := make([]result, 0, len(a.branches))
			for _, b := range a.branches {
				results = append(results, *b.final)
			}
			out := verdict(results, a.stopped)
			out.NoWord, out.domain = noWord, a.branches[0].domain
			return out, true
		}
		a.next()
	}
}

// waits tells whether a branch may still say something that matters: it has not
// ended, nor let its time for a first word pass while others have their say.
func (a *Attempt) waits() bool {
	open, others := false, len(a.later) > 0
	for _, b := range a.branches {
		switch {
		case b.final != nil:
			others = others || !b.mute
		case !b.mute:
			return true
		default:
			open = true
		}
	}
	return open && !others
}

// next sends to the group with the highest q that is left.
func (a *Attempt) next() {
	group := a.breadth(a.later[0])
	a.awaitWord(&group[0])
	for i := range group {
		a.branches = append(a.branches, a.send(&group[i]))
	}
}

// reasonOf is the value of a Reason header (RFC 3326 §2).
func reasonOf(code int, text string) []byte {
	return fmt.Appendf(nil, `SIP;cause=%d;text="%s"`, code, text)
}

// completedElsewhere says to the other phones of a call why they stop ringing: it is none
// that was missed (RFC 3326 §2).
const completedElsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// finish lets go of the branches: those that ring yet are stopped.
func (a *Attempt) finish(out Outcome) {
	a.over = true
	for _, x := range [...]*transaction.Alarm{&a.noAnswer, &a.timerC, &a.silence, &a.lastWords} {
		x.Stop()
	}
	var elsewhere [][]byte
	if out.Answered && len(a.branches) > 1 {
		elsewhere = [][]byte{[]byte(completedElsewhere)}
	}
	for _, b := range a.branches {
		b.cancel(elsewhere...)
		b.a, b.final = nil, nil // the branch outlives the attempt
	}
	if a.c.try == a {
		a.c.try = nil
	}
	if a.leg != nil && out.Dialog == nil {
		a.leg.Dropped()
	}
	a.done(out)
	a.done, a.on, a.later = nil, nil, nil
}
