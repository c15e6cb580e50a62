package proxy

import (
	"bytes"
	"errors"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/history"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// branch is one client transaction of an attempt.
type branch struct {
	c      *Call
	a      *Attempt // nil when it is over, which the branch outlives
	to     hop
	silent bool // as of the leg
	peer   bool // another node
	domain identity.Domain
	number dn.Number           // of the phone
	phone  *location.Binding   // nil for others
	client *transaction.Client // nil when nothing was sent
	heard  bool
	rang   bool // somebody behind it has, or another provisional response came
	mute   bool // the phone said nothing in its time for a first word
	final  *result
	cseq   uint32
	hung   []byte // the ACK of a 2xx that nobody waited for

	leg     *leg
	step    *history.Step // as of the attempt
	account account       // with a gateway
	asked   uint8         // how often it has asked for that
	asks    asking
}

// result is how a branch ended.
type result struct {
	code   int
	reason string
	retry  bool
	res    *message.Message // of a failure
	// ours: a 503, of a trunk or of a node that has the DN, says that the next request would
	// fare no better, so it goes on to the caller as it is (RFC 3261 §16.7 step 6).
	ours bool
}

// send begins a branch. One that can't be sent has ended with 503.
func (a *Attempt) send(l *leg) *branch {
	c, b := a.c, &branch{c: a.c, a: a, to: l.to, silent: l.silent, peer: l.side == nil, domain: l.domain, phone: l.phone, leg: l, account: l.account, step: a.step}
	if l.phone != nil {
		b.number = l.side.Number
	}
	if err := b.transmit(a.branch(l), nil); err != nil {
		if b.final = b.unsent(err); b.final.code == 503 {
			b.tellSilent(b.to.why(err))
		}
		return b
	}
	if ended := b.to.ended(); ended != nil {
		over := b.client.Done()
		c.in.tasks.spawn(func() { b.watch(ended, over) })
	}
	return b
}

// tooLarge says 513.
const tooLarge = "Message Too Large"

// unsent is the end of a branch whose request can't go out.
func (b *branch) unsent(err error) *result {
	if errors.Is(err, errTooLong) {
		return &result{code: 513, reason: tooLarge}
	}
	if b.peer {
		return &result{code: 480, reason: "The phone's node is not there", retry: true}
	}
	return &result{code: 503, reason: "No way there", retry: true, ours: true}
}

// transmit sends the request, with a line besides, and again when a gateway has asked for
// that.
func (b *branch) transmit(id string, line []byte) (err error) {
	c, l, realm := b.c, b.leg, b.c.in.machine.View().Options().GetRealm()
	side, shown := l.side, c.shownTo(l, realm)
	if shown.from != nil && c.from == nil {
		c.from = bytes.Clone(c.req.Get(message.From))
	}
	if b.asked > 0 {
		skewed := *l.side
		skewed.Skew, side = b.asked, &skewed
	}
	uri, routes := route.Onward(l.uri, l.routes)
	ch := message.Changes{
		URI: uri, Via: c.sh.via(&b.to, id), Hops: hops(c.req) - 1, Routes: routes, Reroute: true,
		RecordRoutes: c.in.records.Entries(c.req, side, c.callerToken()), Lines: append(append(c.timer.lines(), shown.lines...), line...), From: shown.from,
		Drop: border{c.origin.domain, l.domain}.request(c.req, realm),
	}
	b.forwarded(&ch)
	l.narrow(&ch)
	renumber(c.req, b.asked, &ch)
	n, _, _ := message.ParseCSeq(c.req.Get(message.CSeq))
	b.cseq = n + uint32(b.asked)
	msg := c.sh.forward(c.req, &ch)
	if b.lengthens(msg) {
		return b.transmit(id, line)
	}
	b.client, err = c.sh.Send(id, string(c.req.Method), &b.to, msg, b.on)
	return err
}

// branch makes that of a request to a leg.
func (a *Attempt) branch(l *leg) string {
	if c := a.c; c.origin.kind == fromPeer && c.invite {
		return deliverBranch(c.in.targets.ring, topBranch(c.req), l.uri)
	}
	return newBranch(a.c.mark)
}

func (b *branch) on(res *message.Message, err error) {
	if res != nil {
		b.word(res)
	}
	if res != nil && b.answers(res) {
		return
	}
	if b.a == nil {
		b.late(res)
		return
	}
	b.a.tell(b, res, err)
}

// watch ends the branch when the phone's connection does.
func (b *branch) watch(ended, over <-chan struct{}) {
	select {
	case <-over:
	case <-b.c.in.tasks.ctx.Done():
	case <-ended:
		sh := b.c.sh
		sh.Lock()
		defer sh.Unlock()
		b.client.Terminate()
		b.on(nil, errNoFlow)
	}
}

// cancel gives up, for the reasons of the caller, or else for others.
func (b *branch) cancel(others ...[]byte) {
	reasons := b.c.reasons
	if len(reasons) == 0 {
		reasons = others
	}
	if b.client != nil {
		b.client.Cancel(reasons...)
	}
}

// late takes what comes when the attempt is over: each 2xx goes to a caller
// that was answered (RFC 3261 §16.7 step 10); nobody waits for another, which
// is hung up.
func (b *branch) late(res *message.Message) {
	if res == nil || res.Status/100 != 2 || !b.c.invite {
		return
	}
	if c := b.c; c.srv.Accepted() {
		c.in.dialogs.Also(res)
		c.respond(res, b.domain, c.timer.answerLines(res))
		return
	}
	b.hangUp(res)
}

// hangUp ends a call that was answered when the caller had been told
// otherwise: ACK and BYE, as its caller would.
func (b *branch) hangUp(res *message.Message) {
	if b.hung != nil {
		_ = b.to.Send(b.hung) // the 2xx comes again
		return
	}
	rest := b.c.in.routes.Downstream(res)
	b.hung = inDialog(res, "ACK", b.cseq, rest, b.c.sh.via(&b.to, newBranch(b.c.mark)))
	_ = b.to.Send(b.hung)
	id := newBranch(b.c.mark)
	bye := inDialog(res, "BYE", b.cseq+1, rest, b.c.sh.via(&b.to, id))
	_, _ = b.c.sh.Send(id, "BYE", &b.to, bye, func(*message.Message, error) {}) // nobody waits for it
}
