package sip

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Progress is a provisional answer on its way to the caller.
type Progress struct{ Code int }

// Outcome is what became of a Try.
type Outcome struct {
	Code   int
	Reason string
	// Answered: the 2xx went to the caller.
	Answered bool
	// Retry: nobody was reached there; another place may do better.
	Retry bool
	// Dialog of an answered call.
	Dialog *Dialog

	res *message.Message // of a failure that came from there
}

const (
	// silence is how long a node or a gateway may take for its first word.
	silence = 4 * time.Second
	// lastWords is how long a phone that was told to stop may take to say so.
	lastWords = 2 * time.Second
)

// attempt is one Try: the branches to a target and what comes back of them.
// Events come from workers and timers; the goroutine of Serve handles them.
type attempt struct {
	c        *Call
	on       func(Progress)
	branches []*branch
	later    [][]leg // groups of lesser q
	stopped  *Outcome
	answered *Outcome
	end      func() // of the DN's busy state; nil without one

	mu    sync.Mutex
	queue []event
	over  bool // nobody reads the queue any more
	wake  chan struct{}
}

type event struct {
	b   *branch
	res *message.Message
	err error
}

// Try sends the call on and waits until it is answered, refused, or has rung
// for too long, or ctx ended, which cancels it. After a failure it may be
// called again.
func (c *Call) Try(ctx context.Context, t Target, on func(Progress)) Outcome {
	if c.abandoned() {
		return Outcome{Code: 487, Reason: "Request Terminated"}
	}
	legs, out := c.legs(&t)
	if len(legs) == 0 {
		return out
	}
	a := &attempt{c: c, on: on, later: groups(legs), wake: make(chan struct{}, 1)}
	if t.Deliver != "" && c.invite {
		a.end = c.p.busy.begin(t.Deliver)
	}
	out = a.run(ctx, &t)
	a.close()
	if !out.Answered && a.end != nil {
		a.end()
	}
	return out
}

// run is the conversation with the branches.
func (a *attempt) run(ctx context.Context, t *Target) Outcome {
	clocks := a.clocks(t)
	defer clocks.stop()
	a.next()
	gone, done := a.c.gone, ctx.Done()
	for {
		if out, ok := a.judge(); ok {
			return out
		}
		select {
		case <-a.wake:
			a.drain(clocks)
		case <-gone:
			gone = nil
			a.stop(clocks, Outcome{Code: 487, Reason: "Request Terminated"})
		case <-done:
			done = nil
			a.stop(clocks, Outcome{Code: 487, Reason: "Request Terminated"})
		case <-clocks.noAnswer:
			a.stop(clocks, Outcome{Code: 408, Reason: "No Answer"})
		case <-of(clocks.timerC):
			a.stop(clocks, Outcome{Code: 408, Reason: "Request Timeout"})
		case <-of(clocks.silence):
			a.unheard()
		case <-of(clocks.lastWords):
			a.settle()
		case <-a.c.p.s.closed:
			return Outcome{Code: 503, Reason: "Service Unavailable"}
		}
	}
}

// clocks are the times that an attempt may take.
type clocks struct {
	noAnswer                   <-chan time.Time
	timerC, silence, lastWords *time.Timer
	ring                       time.Duration
}

func (a *attempt) clocks(t *Target) *clocks {
	k := &clocks{ring: a.c.p.s.cfg.TimerC}
	if a.c.invite {
		k.silence, k.timerC = time.NewTimer(silence), time.NewTimer(k.ring)
		if t.NoAnswer > 0 {
			k.noAnswer = time.After(t.NoAnswer)
		}
	}
	return k
}

func (k *clocks) stop() {
	for _, t := range [...]*time.Timer{k.timerC, k.silence, k.lastWords} {
		if t != nil {
			t.Stop()
		}
	}
}

// of is the channel of a timer that may be none.
func of(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

// tell queues what a branch heard; what comes behind the end is late.
func (a *attempt) tell(e event) {
	a.mu.Lock()
	over := a.over
	if !over {
		a.queue = append(a.queue, e)
	}
	a.mu.Unlock()
	if over {
		e.b.late(e.res)
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// close lets go of the branches: those that ring yet are stopped, and what was
// queued is late.
func (a *attempt) close() {
	for _, b := range a.branches {
		b.cancel()
	}
	a.mu.Lock()
	a.over = true
	queue := a.queue
	a.queue = nil
	a.mu.Unlock()
	for _, b := range a.branches {
		b.final = nil // its branches outlive the attempt
	}
	for _, e := range queue {
		e.b.late(e.res)
	}
}

func (a *attempt) drain(k *clocks) {
	a.mu.Lock()
	queue := a.queue
	a.queue = nil
	a.mu.Unlock()
	for i, e := range queue {
		if a.answered != nil {
			for _, e := range queue[i:] {
				e.b.late(e.res)
			}
			return
		}
		a.event(e, k)
	}
}

// event is RFC 3261 §16.7 for one response.
func (a *attempt) event(e event, k *clocks) {
	b := e.b
	if b.final != nil {
		return
	}
	switch {
	case errors.Is(e.err, errNoFlow):
		b.final = &result{code: 480, reason: "The phone's connection is gone", retry: true}
	case e.err != nil:
		b.final = &result{code: 408, reason: "Request Timeout", retry: b.leg.silent && !b.heard}
	case e.res.Status < 200:
		b.heard = true
		if e.res.Status == 100 {
			return
		}
		if k.timerC != nil {
			k.timerC.Reset(k.ring)
		}
		if a.stopped == nil {
			a.c.respond(e.res, nil)
			if a.on != nil {
				a.on(Progress{Code: e.res.Status})
			}
		}
	case e.res.Status < 300:
		b.final = &result{code: e.res.Status, res: e.res}
		a.won(b, e.res)
	default:
		b.final = &result{code: e.res.Status, reason: string(e.res.Reason), res: e.res, retry: b.leg.silent && e.res.Status == 503}
		if e.res.Status >= 600 {
			a.stop(k, Outcome{Code: 487, Reason: "Request Terminated"})
		}
	}
}

// won passes a 2xx on and stops the others (§16.7 steps 5 and 10).
func (a *attempt) won(b *branch, res *message.Message) {
	c := a.c
	out := &Outcome{Code: res.Status, Reason: string(res.Reason), Answered: true}
	a.answered = out
	c.finish()
	if c.invite {
		out.Dialog = c.p.dialogs.begin(res, a.end)
	} else if a.end != nil {
		a.end()
	}
	c.respond(res, c.sessionLines(res))
	for _, other := range a.branches {
		if other != b {
			other.cancel()
		}
	}
}

func (a *attempt) cancelAll() {
	for _, b := range a.branches {
		b.cancel()
	}
}

// stop gives up: what rings is canceled, and has a while to say so. A 2xx that
// crosses the CANCEL is passed on.
func (a *attempt) stop(k *clocks, why Outcome) {
	if a.stopped == nil {
		a.stopped = &why
		a.later = nil
		a.cancelAll()
		k.lastWords = time.NewTimer(lastWords)
	}
}

// settle stops waiting for those that were told to stop. A 2xx of theirs is late.
func (a *attempt) settle() {
	for _, b := range a.branches {
		if b.final == nil {
			b.final = &result{code: 487, reason: "Request Terminated"}
		}
	}
}

// unheard gives up on nodes and gateways that have not said a word.
func (a *attempt) unheard() {
	for _, b := range a.branches {
		if b.final == nil && b.leg.silent && !b.heard {
			b.final = &result{code: 408, reason: "Request Timeout", retry: true}
			b.cancel()
		}
	}
}

// judge tells whether the attempt is over, and begins the next group when this
// one failed.
func (a *attempt) judge() (Outcome, bool) {
	for {
		if a.answered != nil {
			return *a.answered, true
		}
		results := make([]result, 0, len(a.branches))
		for _, b := range a.branches {
			if b.final == nil {
				return Outcome{}, false
			}
			results = append(results, *b.final)
		}
		if len(a.later) == 0 {
			return verdict(results, a.stopped), true
		}
		a.next()
	}
}

// next sends to the group with the highest q that is left.
func (a *attempt) next() {
	group := a.later[0]
	a.later = a.later[1:]
	for i := range group {
		a.branches = append(a.branches, a.send(&group[i]))
	}
}

// sessionAsked is the Session-Expires that is asked for, in seconds (RFC 4028 §8.1).
const sessionAsked = "1800"

// sessionTimer is the Session-Expires line for an INVITE whose caller supports
// timers and names none.
func (c *Call) sessionTimer() []byte {
	if !c.timer {
		return nil
	}
	return []byte("Session-Expires: " + sessionAsked + "\r\n")
}

// asksTimer tells whether that is so.
func (c *Call) asksTimer() bool {
	return c.invite && c.origin.Kind != fromPeer && !c.req.Has(message.SessionExpires) &&
		hasOption(slices.Collect(c.req.All(message.Supported)), "timer")
}

// sessionLines makes the caller refresh when the phone knows no timers (§8.2).
func (c *Call) sessionLines(res *message.Message) []byte {
	if !c.timer || res.Has(message.SessionExpires) {
		return nil
	}
	lines := "Session-Expires: " + sessionAsked + ";refresher=uac\r\n"
	if !strings.Contains(string(res.Get(message.Require)), "timer") {
		lines += "Require: timer\r\n"
	}
	return []byte(lines)
}
