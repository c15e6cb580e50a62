package sip

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// proxy is the record-routing stateful proxy (RFC 3261 §16). What arrives goes
// to workers, all of one Call-ID to the same, so that a dialog's requests stay
// in order. A worker never waits: what has to is the goroutine of its call.
//
// It does not use sipgo, whose transaction layer answers a CANCEL before the
// proxy hears of it and runs the requests of a dialog in any order.
type proxy struct {
	s       *Server
	log     *slog.Logger
	layer   *transaction.Layer
	mint    *mint
	seed    maphash.Seed
	self    dn.Node
	trunks  *trunks
	names   *names
	rate    *bucket
	dialogs *dialogs
	busy    *busy
	workers []chan *packet
	waiting sync.WaitGroup // goroutines of calls
	active  atomic.Int64   // how many
}

// packet is a checked message on its way to a worker.
type packet struct {
	data      []byte // in the tidy form
	shard     uint64
	source    netip.AddrPort
	transport location.Transport
}

// usualHeaders is how many lines most messages have.
const usualHeaders = 24

// backlog is how many packets may wait for one worker.
const backlog = 1024

func newProxy(s *Server) *proxy {
	secret := s.cfg.Secret
	if len(secret) == 0 {
		secret = []byte(cryptorand.Text()) // nobody may write tokens; nor read ours, yet
	}
	p := &proxy{
		s: s, log: s.log, layer: transaction.New(s.cfg.timers), mint: newMint(secret), seed: maphash.MakeSeed(),
		self: s.cfg.Table.Self(), trunks: newTrunks(s.cfg.Machine), names: &names{known: map[string]resolved{}}, rate: s.registrar.rate,
		busy: newBusy(s.cfg.Delivered), workers: make([]chan *packet, max(2, runtime.GOMAXPROCS(0))),
	}
	p.dialogs = newDialogs(s.cfg.Now)
	for i := range p.workers {
		p.workers[i] = make(chan *packet, backlog)
	}
	return p
}

// shardSeed orders what belongs to a call; it is no secret.
var shardSeed = maphash.MakeSeed()

// packetOf takes a message out of the buffers of its reader.
func packetOf(a *arrival, source netip.AddrPort, t location.Transport) *packet {
	return &packet{data: bytes.Clone(a.tidy), shard: maphash.Bytes(shardSeed, a.msg.Get(message.CallID)), source: source, transport: t}
}

// take gives a packet to its worker. When too many wait, a connection has to
// wait too, and a datagram is lost: its sender repeats it.
func (p *proxy) take(in *packet, wait bool) {
	w := p.workers[in.shard%uint64(len(p.workers))]
	if !wait {
		select {
		case w <- in:
		default:
			p.s.stats.overrun.Add(1)
		}
		return
	}
	select {
	case w <- in:
	case <-p.s.closed:
	}
}

// run works until ctx ends, and then waits for the calls.
func (p *proxy) run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, w := range p.workers {
		all.Go(func() { p.work(ctx, w) })
	}
	all.Go(func() { p.busy.run(ctx) })
	all.Go(func() { p.dialogs.run(ctx) })
	err := p.trunks.follow(ctx)
	all.Wait()
	p.waiting.Wait()
	p.layer.Close()
	return err
}

func (p *proxy) work(ctx context.Context, w <-chan *packet) {
	for {
		select {
		case <-ctx.Done():
			return
		case in := <-w:
			p.handle(ctx, in)
		}
	}
}

// handle serves one message; a panic costs only that one.
func (p *proxy) handle(ctx context.Context, in *packet) {
	m := &message.Message{Headers: make([]message.Header, 0, usualHeaders)}
	defer func() {
		if x := recover(); x != nil {
			p.s.stats.panics.Add(1)
			p.log.Error("a message made the proxy panic", "panic", fmt.Sprint(x))
			if m.IsRequest() {
				p.refuse(m, in, &answer{code: 500, reason: "Server Internal Error"})
			}
		}
	}()
	if m.ParseTidy(in.data) != nil {
		return
	}
	if m.IsRequest() {
		p.request(ctx, m, in)
		return
	}
	if m.Fault == nil {
		via, _ := m.TopVia()
		branch, _ := message.Param(via.Params, "branch")
		p.layer.Response(branch, m) // a stray one goes nowhere (RFC 6026 §7.2)
	}
}

// request sorts out what belongs to a transaction that is there.
func (p *proxy) request(ctx context.Context, m *message.Message, in *packet) {
	var buf [160]byte
	key := transaction.AppendKey(buf[:0], m)
	srv, found := p.layer.Find(key)
	switch string(m.Method) {
	case "ACK":
		if !found || !srv.Ack() {
			p.ack(m)
		}
		return
	case "CANCEL":
		if !found {
			p.refuse(m, in, &answer{code: 481, reason: "Call/Transaction Does Not Exist"})
			return
		}
		p.refuse(m, in, &answer{code: 200, reason: "OK"})
		if c, ok := srv.Owner().(canceler); ok {
			c.canceled()
		}
		return
	}
	if found {
		srv.Repeat()
		return
	}
	p.fresh(ctx, m, in, string(key))
}

// canceler is told that the caller gave up.
type canceler interface{ canceled() }

// refuse answers without a transaction: the same request again gets the same.
func (p *proxy) refuse(m *message.Message, in *packet, a *answer) {
	if string(m.Method) == "ACK" {
		return
	}
	p.s.stats.answered(a.code)
	_ = p.back(m, in).Send(p.answer(m, a)) // the request comes again
}

// answer writes a response of our own.
func (p *proxy) answer(m *message.Message, a *answer) []byte {
	out := message.Answer{Code: a.code, Reason: a.reason, Lines: a.lines}
	var tag [16]byte
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	if a.code > 100 {
		out.ToTag = appendToTag(tag[:0], p.s.registrar.seed, m.Get(message.CallID), cseq)
	}
	return m.AppendAnswer(nil, netip.AddrPort{}, &out)
}

// back is the way of responses.
func (p *proxy) back(m *message.Message, in *packet) *hop {
	h := &hop{s: p.s, transport: in.transport, addr: in.source}
	if !in.transport.Connected() {
		if via, ok := m.TopVia(); ok {
			if to, ok := via.ReplyTo(); ok {
				h.addr = to
			}
		}
	}
	return h
}

// branch makes the branch of a request that goes on.
func (p *proxy) branch(mark [13]byte) string {
	id := base32(rand.Uint64())
	return branchPrefix + string(mark[:]) + string(id[:])
}

// own is what Route URIs of a call are to this node.
func (p *proxy) own(callID []byte) *own {
	return &own{
		token: func(user []byte) (token, bool) { return p.mint.decode(user, callID) },
		here:  func(k *token) bool { return k.purpose == toDeliver || k.node == p.self },
		mine:  p.s.names,
	}
}
