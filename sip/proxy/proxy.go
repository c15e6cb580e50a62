package proxy

import (
	"context"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/wire"

	cryptorand "crypto/rand"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// Proxy is the record-routing stateful proxy (RFC 3261 §16). Who reads a
// message serves it at once: nothing here waits. The lock of its shard orders
// what has the same Call-ID, whichever ways it came.
//
// It does not use sipgo, whose transaction layer answers a CANCEL before the
// proxy hears of it and runs the requests of a dialog in any order.
type Proxy struct {
	cfg      Config
	out      *wire.Exits
	log      *slog.Logger
	shards   [shards]*shard
	tokens   *tokenCodec
	seed     maphash.Seed
	self     dn.Node
	routes   *routeReader
	trunks   *trunks
	resolver *resolver
	dialogs  *dialogs
	// refused are datagrams that the network did not take.
	refused chan []byte

	// Goroutines of calls, and the calls that are being set up.
	mu         sync.Mutex
	waiting    sync.WaitGroup
	goroutines int
	active     int
	ctx        context.Context //nolint:containedctx // that of Run, for calls that get a goroutine
	stop       context.CancelFunc
}

// Allowed is what a request may ask for of a node with calls.
const Allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, MESSAGE, SUBSCRIBE, NOTIFY"

// shards of the calls.
const shards = 16

// shard holds the transactions of calls, and is their lock.
type shard struct {
	*transaction.Layer
	// out is where the next message is written; senders copy it. own is where
	// its Via is.
	out, own []byte
}

// via is our Via of the next message.
func (sh *shard) via(to *hop, branch string) []byte {
	sh.own = to.via(sh.own[:0], branch)
	return sh.own
}

// packet is how a message came.
type packet struct {
	source    netip.AddrPort
	transport location.Transport
}

// maxRefused bounds the datagrams that the network refused and nobody looked at.
const maxRefused = 256

// New makes a proxy and starts nothing; it sends nothing before Connect and Run.
func New(cfg Config) *Proxy {
	secret := cfg.Secret
	if len(secret) == 0 {
		secret = []byte(cryptorand.Text()) // nobody may write tokens; nor read ours, yet
	}
	p := &Proxy{
		cfg: cfg, log: cfg.Log, tokens: NewTokenCodec(secret), seed: maphash.MakeSeed(), self: cfg.Table.Self(),
		trunks: newTrunks(cfg.Machine), refused: make(chan []byte, maxRefused),
	}
	p.routes = &routeReader{
		token: func(user, callID []byte) (Token, bool) { return p.tokens.decode(user, callID) }, // SetSecret changes the codec
		here:  func(k Token) bool { return k.Purpose == ToDeliver || k.Node == p.self },
		mine:  cfg.LeadsHere,
	}
	for i, l := range transaction.NewLayers(shards, cfg.Timers, p.panicked) {
		p.shards[i] = &shard{Layer: l}
	}
	p.dialogs = newDialogs(cfg.Now)
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.resolver = newResolver(func(f func(context.Context)) bool { return p.spawn(func() { f(p.ctx) }) })
	return p
}

// Connect gives the proxy the ways out. Call it before run.
func (p *Proxy) Connect(out *wire.Exits) { p.out = out }

// Trunk is the DN of the gateway that calls from an address.
func (p *Proxy) Trunk(source netip.AddrPort, connected bool) (dn.Number, bool) {
	return p.trunks.from(source, connected)
}

// SetSecret replaces that of the config. Call it before run.
func (p *Proxy) SetSecret(secret []byte) { p.tokens = NewTokenCodec(secret) }

func (p *Proxy) shard(callID []byte) *shard {
	return p.shards[maphash.Bytes(p.seed, callID)%shards]
}

// Run keeps the proxy until ctx ends, and then waits for the calls that have
// goroutines.
func (p *Proxy) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { p.dialogs.run(ctx) })
	all.Go(func() { p.unsent(ctx) })
	err := p.trunks.follow(ctx)
	p.mu.Lock()
	p.stop() // nobody gets a goroutine from here on
	p.mu.Unlock()
	all.Wait()
	p.waiting.Wait()
	for _, sh := range p.shards {
		sh.endCalls()
		sh.Lock()
		sh.Close()
		sh.Unlock()
	}
	p.dialogs.forget()
	return err
}

// endCalls gives up what has no answer yet.
func (sh *shard) endCalls() {
	sh.Lock()
	defer sh.Unlock()
	for _, user := range sh.Users() {
		switch x := user.(type) {
		case *Call:
			x.stop()
		case *relay:
			x.settled()
		}
	}
}

// begin takes in a call that is being set up; false when there are too many.
func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active >= p.cfg.MaxCalls || p.ctx.Err() != nil {
		return false
	}
	p.active++
	return true
}

func (p *Proxy) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
}

// spawn runs f in another goroutine; false when the server stops.
func (p *Proxy) spawn(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false
	}
	p.goroutines++
	p.waiting.Go(func() {
		defer p.ended()
		defer func() {
			if x := recover(); x != nil {
				p.panicked(x)
			}
		}()
		f()
	})
	return true
}

// ended notes the end of what was spawned.
func (p *Proxy) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goroutines--
}

// panicked notes a panic that cost one message or one call.
func (p *Proxy) panicked(x any) {
	p.cfg.Stats.Panics.Add(1)
	p.log.Error("a call or a message made the proxy panic", "panic", fmt.Sprint(x))
}

// NoteRefused passes on what the network refused.
func (p *Proxy) NoteRefused(b []byte) {
	select {
	case p.refused <- b:
	default: // a timer says the same, later
	}
}

// unsent tells transactions that the network refused their requests.
func (p *Proxy) unsent(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-p.refused:
			var m message.Message
			if m.ParseTidy(b) != nil || !m.IsRequest() {
				continue
			}
			via, _ := m.TopVia()
			branch, _ := message.Param(via.Params, "branch")
			sh := p.shard(m.Get(message.CallID))
			sh.Lock()
			sh.Unsent(branch, m.Method)
			sh.Unlock()
		}
	}
}

// Take serves a message that the gate let through. A panic costs only that one.
func (p *Proxy) Take(m *message.Message, source netip.AddrPort, t location.Transport) {
	in := &packet{source: source, transport: t}
	if p.out.Datagrams != nil {
		p.out.Datagrams.Hold()
		defer p.out.Datagrams.Release()
	}
	sh := p.shard(m.Get(message.CallID))
	sh.Lock()
	defer sh.Unlock()
	defer func() {
		if x := recover(); x != nil {
			p.panicked(x)
			if m.IsRequest() {
				p.refuse(sh, m, in, &answer.Answer{Code: 500, Reason: "Server Internal Error"})
			}
		}
	}()
	if m.IsRequest() {
		p.request(sh, m, in)
		return
	}
	if m.Fault == nil {
		via, _ := m.TopVia()
		branch, _ := message.Param(via.Params, "branch")
		sh.Response(branch, m) // a stray one goes nowhere (RFC 6026 §7.2)
	}
}

// request sorts out what belongs to a transaction that is there.
func (p *Proxy) request(sh *shard, m *message.Message, in *packet) {
	key := transaction.KeyOf(m)
	srv, found := sh.Find(key)
	switch string(m.Method) {
	case "ACK":
		if !found || !srv.Ack() {
			p.ack(sh, m, in)
		}
		return
	case "CANCEL":
		if !found {
			p.refuse(sh, m, in, &answer.Answer{Code: 481, Reason: "Call/Transaction Does Not Exist"})
			return
		}
		p.refuse(sh, m, in, &answer.Answer{Code: 200, Reason: "OK"})
		if c, ok := srv.User().(canceler); ok {
			c.canceled()
		}
		return
	}
	if found {
		srv.Repeat()
		return
	}
	p.fresh(sh, m, in, key)
}

// canceler is told that the caller gave up.
type canceler interface{ canceled() }

// refuse answers without a transaction: the same request again gets the same.
func (p *Proxy) refuse(sh *shard, m *message.Message, in *packet, a *answer.Answer) {
	if string(m.Method) == "ACK" {
		return
	}
	p.cfg.Stats.Answered(a.Code)
	_ = p.back(m, in).Send(p.answer(sh, m, a)) // the request comes again
}

// answer writes a response of our own.
func (p *Proxy) answer(sh *shard, m *message.Message, a *answer.Answer) []byte {
	out := message.Answer{Code: a.Code, Reason: a.Reason, Lines: a.Lines}
	var tag [16]byte
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	if a.Code > 100 {
		out.ToTag = answer.AppendToTag(tag[:0], p.cfg.TagSeed, m.Get(message.CallID), cseq)
	}
	sh.out = m.AppendAnswer(sh.out[:0], m.Source, &out)
	return sh.out
}

// forward writes a message as it goes on.
func (sh *shard) forward(m *message.Message, c *message.Changes) []byte {
	sh.out = m.AppendForwarded(sh.out[:0], c)
	return sh.out
}

// back is the way of responses.
func (p *Proxy) back(m *message.Message, in *packet) *hop {
	h := &hop{out: p.out, transport: in.transport, addr: in.source}
	if !in.transport.Connected() {
		h.addr = m.AnswerTo(in.source)
	}
	return h
}

// branch makes the branch of a request that goes on.
func (p *Proxy) branch(mark [13]byte) string {
	var b [len(branchPrefix) + 26]byte
	id := base32(rand.Uint64())
	copy(b[:], branchPrefix)
	copy(b[len(branchPrefix):], mark[:])
	copy(b[len(branchPrefix)+13:], id[:])
	return string(b[:])
}

// lost takes a request that goes nowhere, and comes again perhaps.
func (p *Proxy) lost(m *message.Message) {
	if methodOf(m) != methodBye {
		return
	}
	sh := p.shard(m.Get(message.CallID))
	sh.Lock()
	defer sh.Unlock()
	p.hungUp(sh, m)
}

// lookUp finds out the address of a node or gateway in another goroutine, and
// then serves the message again: nothing waits for a name server.
func (p *Proxy) lookUp(address string, m *message.Message, in *packet) {
	again, way := m.Clone(), *in
	p.spawn(func() {
		if _, err := p.resolver.find(p.ctx, address); err != nil {
			p.log.Warn("the name of a node or gateway has no address", "name", address, "err", err)
			p.lost(again)
			return
		}
		p.Take(again, way.source, way.transport)
	})
}

// Held adds what calls hold.
func (p *Proxy) Held(held map[string]int) {
	p.mu.Lock()
	held["sip_calls"], held["sip_call_goroutines"] = p.active, p.goroutines
	p.mu.Unlock()
	for _, sh := range p.shards {
		sh.Lock()
		held["sip_transactions"] += sh.Len()
		sh.Unlock()
	}
	held["sip_alarms"] = p.shards[0].Alarms() // the shards share their clock
	p.dialogs.mu.Lock()
	held["sip_dialogs"] = len(p.dialogs.open)
	p.dialogs.mu.Unlock()
}
