package sip

import (
	"sync"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// branch is one client transaction of an attempt.
type branch struct {
	a      *attempt
	leg    *leg
	client *transaction.Client // nil when nothing was sent
	heard  bool
	final  *result
	cseq   uint32

	mu   sync.Mutex
	hung []byte // the ACK of a 2xx that nobody waited for
}

// result is how a branch ended.
type result struct {
	code   int
	reason string
	retry  bool
	res    *message.Message
}

// send begins a branch. One that can't be sent has ended with 503.
func (a *attempt) send(l *leg) *branch {
	c, b := a.c, &branch{a: a, leg: l}
	id := c.p.branch(c.mark)
	realm := c.p.s.cfg.Machine.View().Options().GetRealm()
	ch := message.Changes{
		URI: l.uri, Via: l.to.via(id), Hops: hops(c.req) - 1, Routes: l.routes, Reroute: true, RecordRoutes: c.sides(l),
		Drop: func(h *message.Header) bool { return c.p.ours(h, realm) }, Lines: c.sessionTimer(),
	}
	b.cseq, _, _ = message.ParseCSeq(c.req.Get(message.CSeq))
	text := c.req.AppendForwarded(make([]byte, 0, len(c.req.Body)+1536), &ch)
	var err error
	b.client, err = c.p.layer.Send(id, string(c.req.Method), &l.to, text, func(res *message.Message, err error) { a.tell(event{b, res, err}) })
	if err != nil {
		b.final = &result{code: 503, reason: "No way there", retry: true}
		return b
	}
	if ended := l.to.ended(); ended != nil {
		go b.watch(ended)
	}
	return b
}

// watch ends the branch when the phone's connection does.
func (b *branch) watch(ended <-chan struct{}) {
	select {
	case <-ended:
		b.client.Terminate()
		b.a.tell(event{b: b, err: errNoFlow})
	case <-b.client.Done():
	}
}

func (b *branch) cancel() {
	if b.client != nil {
		b.client.Cancel()
	}
}

// late takes what comes when the attempt is over: each 2xx goes to a caller
// that was answered (RFC 3261 §16.7 step 10); nobody waits for another, which
// is hung up.
func (b *branch) late(res *message.Message) {
	if res == nil || res.Status/100 != 2 || !b.a.c.invite {
		return
	}
	if c := b.a.c; c.srv.Accepted() {
		c.respond(res, c.sessionLines(res))
		return
	}
	b.hangUp(res)
}

// hangUp ends a call that was answered when the caller had been told
// otherwise: ACK and BYE, as its caller would.
func (b *branch) hangUp(res *message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hung != nil {
		_ = b.leg.to.Send(b.hung) // the 2xx comes again
		return
	}
	p := b.a.c.p
	b.hung = inDialog(res, "ACK", b.cseq, p.downstream(res), b.leg.to.via(p.branch(b.a.c.mark)))
	_ = b.leg.to.Send(b.hung)
	id := p.branch(b.a.c.mark)
	bye := inDialog(res, "BYE", b.cseq+1, p.downstream(res), b.leg.to.via(id))
	_, _ = p.layer.Send(id, "BYE", &b.leg.to, bye, func(*message.Message, error) {}) // nobody waits for it
}

// downstream is the route from here to who answered: the entries above ours,
// the nearest first.
func (p *proxy) downstream(res *message.Message) (routes [][]byte) {
	o := p.own(res.Get(message.CallID))
	for _, r := range res.Elements(message.RecordRoute) {
		a, _ := message.ParseAddress(r)
		if k, _ := o.entry(a.URI); k != nil && o.here(k) {
			return routes
		}
		routes = append([][]byte{r}, routes...)
	}
	return routes
}
