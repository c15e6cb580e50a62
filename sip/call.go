package sip

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// Caller is told of every INVITE that begins a call at this node, and decides
// by the Call's methods. Each Serve has a goroutine of its own. ctx ends when
// the caller gave up or the server stops. A call that has no final answer when
// Serve returns is answered 500, or 487 when the caller gave up.
type Caller interface {
	Serve(ctx context.Context, c *Call)
}

// Kind says where a call comes from.
type Kind uint8

const (
	// FromPhone is a phone of the cluster that proved to be its DN.
	FromPhone Kind = iota
	// FromTrunk is a gateway, known by its address.
	FromTrunk
	// fromPeer is another node, which has asked the caller.
	fromPeer
)

// Origin is who calls.
type Origin struct {
	Kind Kind
	// DN is that of the phone, or of the trunk.
	DN dn.Number
	// Display and Number are what the From header says of the caller.
	Display, Number string

	hop hop
}

// Call is a new INVITE at this node. Its methods are for the goroutine of Serve.
type Call struct {
	p      *proxy
	req    *message.Message
	back   *hop
	mark   [13]byte
	origin Origin
	called string
	id     string
	invite bool // false for a request outside of calls
	timer  bool // we asked for a session timer
	srv    *transaction.Server
	gone   chan struct{} // closed when the caller gave up
	cancel context.CancelFunc

	mu      sync.Mutex
	gaveUp  bool
	final   bool
	ringing *time.Timer
}

func newCall(p *proxy, m *message.Message, in *packet, mark [13]byte, o Origin) *Call {
	u, _ := message.ParseURI(m.URI)
	c := &Call{p: p, req: m, back: p.back(m, in), mark: mark, origin: o, called: userOf(&u), id: string(m.Get(message.CallID)),
		invite: string(m.Method) == "INVITE", gone: make(chan struct{})}
	c.timer = c.asksTimer()
	return c
}

// Origin is who calls.
func (c *Call) Origin() Origin { return c.origin }

// Called is the user part of the Request-URI.
func (c *Call) Called() string { return c.called }

// ID is the Call-ID.
func (c *Call) ID() string { return c.id }

// Header is the value of the first header of that name, "" without one. Names
// are those of RFC 3261, not the compact forms.
func (c *Call) Header(name string) string {
	for _, h := range c.req.Headers {
		if strings.EqualFold(string(h.Name), name) {
			return string(h.Value)
		}
	}
	return ""
}

// ringAgain is after how long a 180 is repeated (RFC 3261 §13.3.1.1).
const ringAgain = time.Minute

// Ring tells the caller that it has to wait: 180, again each minute.
func (c *Call) Ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final || c.ringing != nil {
		return
	}
	c.ringing = time.AfterFunc(ringAgain, c.ringAgain)
	c.ring()
}

func (c *Call) ring() {
	_ = c.srv.Respond(180, c.p.answer(c.req, &answer{code: 180, reason: "Ringing"})) // it is repeated
}

func (c *Call) ringAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.final {
		c.ringing.Reset(ringAgain)
		c.ring()
	}
}

// Reject gives the final answer; headers are lines "Name: value". Only the
// first final answer counts, and a caller who gave up gets 487.
func (c *Call) Reject(code int, reason string, headers ...string) {
	if !c.finish() {
		return
	}
	a := answer{code: code, reason: reason}
	if c.abandoned() {
		a.set(487, "Request Terminated")
		headers = nil
	}
	for _, h := range headers {
		a.lines = append(append(a.lines, h...), "\r\n"...)
	}
	c.p.s.stats.answered(a.code)
	_ = c.srv.Respond(a.code, c.p.answer(c.req, &a)) // the transaction repeats it
}

// Pass gives the caller the answer that a Try ended with, as it came: for a
// failure that nothing else is tried after.
func (c *Call) Pass(o Outcome) {
	if o.Answered {
		return
	}
	if !c.invite && o.res == nil && o.Code == 408 {
		c.finish()
		c.srv.Terminate() // a 408 would come too late (RFC 4320 §4.2)
		return
	}
	if o.res == nil || c.abandoned() {
		c.Reject(o.Code, o.Reason)
		return
	}
	if c.finish() {
		c.p.s.stats.answered(o.Code)
		c.respond(o.res, nil)
	}
}

// finish claims the final answer; false when there was one.
func (c *Call) finish() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final {
		return false
	}
	c.final = true
	if c.ringing != nil {
		c.ringing.Stop()
	}
	return true
}

// respond passes a response on towards the caller (RFC 3261 §16.7 step 9).
func (c *Call) respond(res *message.Message, lines []byte) {
	b := res.AppendForwarded(make([]byte, 0, len(res.Body)+1024), &message.Changes{PopVia: true, Hops: -1, Lines: lines})
	if err := c.srv.Respond(res.Status, b); err != nil {
		c.p.log.Debug("a response could not be passed on", "err", err, "code", res.Status, "call", c.ID())
	}
}

// canceled implements canceler: the caller gave up.
func (c *Call) canceled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gaveUp && !c.final {
		c.gaveUp = true
		close(c.gone)
		c.cancel()
	}
}

func (c *Call) abandoned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gaveUp
}

// maxCalls bounds the calls that are being set up here at a time.
const maxCalls = 50_000

// start gives a new call to the Caller.
func (p *proxy) start(ctx context.Context, c *Call, key string) {
	p.s.stats.calls.Add(1)
	p.goServe(ctx, c, key, p.s.cfg.Calls.Serve)
}

// deliver rings the phones of a DN for a peer, or hands them what is no call.
func (p *proxy) deliver(ctx context.Context, c *Call, key string, n dn.Number) {
	p.carry(ctx, c, key, Target{Deliver: n})
}

// carry sends a request to one target and passes back what comes of it.
func (p *proxy) carry(ctx context.Context, c *Call, key string, t Target) {
	p.goServe(ctx, c, key, func(ctx context.Context, c *Call) {
		c.Pass(c.Try(ctx, t, nil))
	})
}

// goServe opens the server transaction and runs serve beside it.
func (p *proxy) goServe(ctx context.Context, c *Call, key string, serve func(context.Context, *Call)) {
	if p.active.Add(1) > maxCalls {
		p.active.Add(-1)
		p.s.stats.overload.Add(1)
		_ = c.back.Send(p.answer(c.req, &answer{code: 503, reason: "Service Unavailable", lines: []byte("Retry-After: 5\r\n")}))
		return
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.srv, _ = p.layer.Open(key, c.invite, c.back, c)
	if c.invite {
		_ = c.srv.Respond(100, p.answer(c.req, &answer{code: 100, reason: "Trying"})) // the INVITE comes again
	}
	p.waiting.Go(func() {
		defer p.active.Add(-1)
		defer c.cancel()
		defer c.end()
		if ended := c.back.ended(); ended != nil {
			go c.watch(ctx, ended)
		}
		serve(ctx, c)
	})
}

// watch gives the call up when the caller lost its connection.
func (c *Call) watch(ctx context.Context, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
		c.canceled()
	}
}

// end answers a call that was left without an answer. A panic of the Caller
// costs only its call.
func (c *Call) end() {
	if x := recover(); x != nil {
		c.p.s.stats.panics.Add(1)
		c.p.log.Error("a call made the node panic; it was answered 500", "panic", fmt.Sprint(x), "call", c.ID())
	}
	c.Reject(500, "Server Internal Error")
	c.req = nil // what comes late needs no more of it
}
