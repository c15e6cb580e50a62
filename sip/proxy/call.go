package proxy

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// kind says where a call comes from.
type kind uint8

const (
	// fromPhone is a phone of the cluster that proved to be its DN.
	fromPhone kind = iota
	// fromTrunk is a gateway, known by its address.
	fromTrunk
	// fromPeer is another node, which has asked the caller.
	fromPeer
)

// callOrigin is who calls.
type callOrigin struct {
	kind kind
	// node is the peer's that has the call.
	node dn.Node
	// dn is that of the phone, or of the trunk.
	dn dn.Number
	// number is what the From header says of the caller.
	number string
	domain identity.Domain

	hop hop
}

// Call is a new INVITE at this node, an invite.Call. Its methods may be called from any
// goroutine; none waits. What they are given to call back is called
// one after the other, in the order in which it happened, and must not wait.
type Call struct {
	in     *calls
	sh     *shard // its lock guards all below
	back   *hop
	mark   [13]byte
	origin callOrigin
	called string
	invite bool   // false for a request outside of calls
	birth  uint64 // 0 for those
	// media that a caller here offers; 0: nothing is known of them.
	media dn.Media
	timer sessionTimer
	// transfer is what a REFER said of the call; nil: nothing.
	transfer *invite.Transfer
	srv      *transaction.Server

	req   *message.Message // nil after the final answer
	try   *Attempt         // under way; nil when none is
	last  Outcome          // of the last Send that failed
	rings transaction.Alarm
	probe *callerProbe // nil before Ring
	// reliable are the 180s that the caller has to acknowledge; nil for none.
	reliable *reliable
	rang     bool
	// word is what the caller was told of its wait.
	word   answer.Answer
	gaveUp bool
	// reasons are why, as who gave up says.
	reasons [][]byte
	final   bool
	// renumbered: what comes back may have other numbers than cseq, the caller's.
	renumbered bool
	cseq       uint32
	// from is the caller's own, of what comes back with another one; nil: none does.
	from   []byte
	cancel context.CancelFunc // of Go's context; nil without one
	over   chan struct{}      // closed at the final answer, for a caller over a connection; nil for others
}

// Origin implements invite.Call.
func (c *Call) Origin() invite.Origin {
	return invite.Origin{DN: c.origin.dn, Trunk: c.origin.kind == fromTrunk, Number: c.origin.number, Media: c.media, Transfer: c.transfer}
}

// token is what the tokens of the called side have in common.
func (c *Call) token() route.Token {
	ts := c.in.targets
	return route.Token{Called: true, Node: ts.table.Self(), Birth: c.birth, Minute: route.MinuteOf(ts.now())}
}

// callerToken is the one that leads to the caller; nil when another node has that.
func (c *Call) callerToken() *route.Token {
	k, from := c.token(), &c.origin.hop
	k.Called, k.Number, k.Transport = false, c.origin.dn, from.transport
	switch c.origin.kind {
	case fromPeer:
		return nil
	case fromTrunk:
		if k.Purpose, k.Side = route.Trunk, from.addr.Addr(); from.Reliable() {
			k.Addr = from.addr
		}
	case fromPhone:
		k.Purpose, k.Addr = route.Phone, from.addr
	}
	return &k
}

// Named implements invite.Call.
func (c *Call) Named(id string) {
	c.sh.Lock()
	defer c.sh.Unlock()
	if c.req != nil {
		c.in.targets.exits.trace.Name(c.req.Get(message.CallID), id)
	}
}

// Called is the user part of the Request-URI.
func (c *Call) Called() string { return c.called }

// GaveUp tells whether the caller gave up before there was a final answer.
func (c *Call) GaveUp() bool {
	c.sh.Lock()
	defer c.sh.Unlock()
	return c.gaveUp
}

// Reject gives the final answer. Where the last Send ended with that code it is
// passed on as it came. Only the first final answer counts, and a caller who gave
// up gets 487.
func (c *Call) Reject(code int, reason string) {
	c.sh.Lock()
	defer c.sh.Unlock()
	if c.last.Code == code {
		c.pass(c.last)
		return
	}
	c.reject(code, reason)
}

// Later implements invite.Call. Where the last Send ended with 503 that is passed on.
func (c *Call) Later(reason string, after time.Duration) {
	c.sh.Lock()
	defer c.sh.Unlock()
	if c.last.Code == 503 && c.last.res != nil {
		c.pass(c.last)
		return
	}
	a := answer.Answer{Code: 503, Reason: answer.Phrase(reason)}
	a.Number("Retry-After", int64((after+time.Second-1)/time.Second))
	c.conclude(&a)
}

func (c *Call) reject(code int, reason string) {
	c.conclude(&answer.Answer{Code: code, Reason: answer.Phrase(reason)})
}

// conclude gives the final answer, unless there is one.
func (c *Call) conclude(a *answer.Answer) {
	if c.final {
		return
	}
	if c.gaveUp {
		a.Reset()
		a.Set(487, "Request Terminated")
	}
	c.sh.stats.Answered(a.Code)
	b := c.sh.answer(c.req, a)
	c.finish()
	_ = c.srv.Respond(a.Code, b) // the transaction repeats it
}

// pass gives the caller the answer that a Send ended with, as it came: for a
// failure that nothing else is tried after.
func (c *Call) pass(o Outcome) {
	switch {
	case o.Answered || c.final:
	case !c.invite && o.res == nil && o.Code == 408:
		c.srv.Terminate() // a 408 would come too late (RFC 4320 §4.2)
		c.finish()
	case o.res == nil || c.gaveUp:
		c.reject(o.Code, o.Reason)
	default:
		c.sh.stats.Answered(o.Code)
		c.finish()
		c.respond(o.res, o.domain, o.challenges)
	}
}

// finish notes that the caller gets its final answer, which goes out next: who has it finds
// the call's place free.
func (c *Call) finish() {
	if c.final {
		return
	}
	c.final = true
	if c.reliable != nil {
		c.reliable.stop()
	}
	if c.rang {
		c.leaveEarly()
	}
	c.req, c.last = nil, Outcome{} // what comes late needs no more of them
	c.rings.Stop()
	if c.probe != nil {
		c.probe.alarm.Stop()
	}
	if c.over != nil {
		close(c.over)
	}
	delete(c.sh.settingUp, c.birth)
	if c.invite && c.origin.kind != fromPeer {
		delete(c.sh.arrived, c.mark)
	}
	c.in.room.leave()
}

// respond passes a response on towards the caller (RFC 3261 §16.7 step 9).
func (c *Call) respond(res *message.Message, from identity.Domain, lines []byte) {
	ch := message.Changes{PopVia: true, Hops: -1, Lines: lines, Drop: border{from, c.origin.domain}.response(res)}
	if c.renumbered {
		ch.CSeq = c.cseq
	}
	ch.From = c.from
	b := c.sh.forward(res, &ch)
	if err := c.srv.Respond(res.Status, b); err != nil {
		c.in.log.Debug("a response could not be passed on", "err", err, "code", res.Status, "call", string(res.Get(message.CallID)))
	}
}

// Trying implements transaction.Trier.
func (c *Call) Trying() []byte {
	return c.sh.answer(c.req, &answer.Answer{Code: 100, Reason: "Trying"})
}

// canceled implements canceler: the caller gave up.
func (c *Call) canceled(reasons [][]byte) {
	if c.gaveUp || c.final {
		return
	}
	c.gaveUp, c.reasons = true, reasons
	if c.cancel != nil {
		c.cancel()
	}
	if c.try != nil {
		c.try.giveUp()
	}
}

// stop ends the call because the server does.
func (c *Call) stop() {
	c.canceled([][]byte{reasonOf(503, "The node stops")})
	if c.try != nil {
		c.try.giveUp() // it may have waited for last words
	}
	c.reject(503, "Service Unavailable")
}

// Send sends the call on: progress hears of provisional answers, and done what
// became of it, when it was answered, refused, has rung for too long or was
// stopped. After a failure it may be called again, from done or later. One at a
// time.
func (c *Call) Send(t invite.Target, progress func(code int), done func(invite.Outcome)) invite.Stopper {
	return c.Start(t, progress, func(o Outcome) {
		if d := o.Dialog; d != nil {
			o.Follow = func(f invite.Follower) { d.Follow(&follower{f}) }
		}
		done(o.Outcome)
	})
}

// follower tells one of the routing's what becomes of a dialog.
type follower struct{ to invite.Follower }

func (f *follower) Held(by dialog.Side, holds bool) { f.to.Held(by == dialog.CalledSide, holds) }

func (f *follower) Referred(by dialog.Side) { f.to.Referred(by == dialog.CalledSide) }

func (f *follower) Calling(by dialog.Side, calls bool) { f.to.Calling(by == dialog.CalledSide, calls) }

func (f *follower) Over(d *dialog.Dialog) { f.to.Over(d.Cause()) }

// Start is Send with all that the proxy knows of the outcome.
func (c *Call) Start(t invite.Target, progress func(code int), done func(Outcome)) *Attempt {
	c.sh.Lock()
	defer c.sh.Unlock()
	var heard func(code int)
	if progress != nil {
		heard = func(code int) { c.sh.After(c.guard(func() { progress(code) })) }
	}
	return c.send(t, heard, func(o Outcome) {
		if !o.Answered {
			c.last = o
		}
		c.sh.After(c.guard(func() { done(o) }))
	})
}

// Go runs f on a goroutine of its own, where it may wait. Its context ends when
// the caller gave up or the server stops. When f returns, a call without final
// answer is answered 500, or 487 when the caller gave up.
func (c *Call) Go(f func(ctx context.Context)) {
	c.sh.Lock()
	defer c.sh.Unlock()
	ctx, cancel := context.WithCancel(c.in.tasks.ctx)
	if c.cancel = cancel; c.gaveUp {
		cancel()
	}
	ok := c.in.tasks.spawn(func() {
		defer cancel()
		c.guard(func() { f(ctx) })()
		c.fail()
	})
	if !ok {
		cancel()
		c.reject(503, "Service Unavailable")
	}
}

// fail answers 500 when nothing else was answered.
func (c *Call) fail() {
	c.sh.Lock()
	defer c.sh.Unlock()
	c.reject(500, "Server Internal Error")
}

// guard confines a panic in f to this call.
func (c *Call) guard(f func()) func() {
	return func() {
		defer func() {
			if x := recover(); x != nil {
				c.in.tasks.panicked(x)
				c.fail()
			}
		}()
		f()
	}
}

// watch gives the call up when the caller lost its connection.
func (c *Call) watch(ended, over <-chan struct{}) {
	select {
	case <-over:
	case <-c.in.tasks.ctx.Done():
	case <-ended:
		c.sh.Lock()
		defer c.sh.Unlock()
		c.canceled([][]byte{reasonOf(480, "The caller's connection is gone")})
	}
}

// orphaned gives up a call whose node is lost: nobody waits for what comes of it.
func (c *Call) orphaned() {
	c.canceled([][]byte{[]byte(peerLost)})
	if c.try != nil {
		c.try.abandon()
	}
}
