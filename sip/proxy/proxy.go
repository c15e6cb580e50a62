package proxy

import (
	"context"
	cryptorand "crypto/rand"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/trace"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/transfer"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// Proxy is the record-routing stateful proxy (RFC 3261 §16): it sorts what
// arrives, and gives it to those whose it is. Who reads a message serves it at
// once: nothing here waits. The lock of its shard orders what has the same
// Call-ID, whichever ways it came.
//
// It does not use sipgo, whose transaction layer answers a CANCEL before the
// proxy hears of it and runs the requests of a dialog in any order.
type Proxy struct {
	exits    *exits
	tasks    *tasks
	shards   *shards
	refusals *refusals
	routes   *route.Reader
	trunks   *trunks
	dialogs  *dialog.Table
	relays   *relays
	callers  *callers
	calls    *calls
	orphans  *orphans
	// seed of the marks by which a request that comes back is known.
	seed  maphash.Seed
	guard *guard.Guard
	rate  *guard.Rate
	stats *answer.Counters
	// refuses is Config.Refuses.
	refuses func(byPeer bool) bool
}

// maxAskedToCall is how many REFERs are remembered at least.
const maxAskedToCall = 4096

// Allowed is what a request may ask for of a node with calls.
const Allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, MESSAGE, SUBSCRIBE, NOTIFY"

// New makes a proxy and starts nothing; it sends nothing before Connect and Run.
func New(cfg Config) *Proxy {
	if len(cfg.RouteKeys) == 0 {
		cfg.RouteKeys = []route.Key{{Secret: []byte(cryptorand.Text())}} // nobody may write tokens; nor read ours, yet
	}
	if cfg.Phones == nil {
		cfg.Phones = noPhones{}
	}
	if cfg.ServiceRoute == nil {
		cfg.ServiceRoute = func(dn.Number, netip.AddrPort) [][]byte { return nil }
	}
	if cfg.Refuses == nil {
		cfg.Refuses = func(bool) bool { return false }
	}
	p := &Proxy{
		exits: &exits{trace: cfg.Trace}, tasks: newTasks(cfg.Stats, cfg.Log), dialogs: dialog.NewTable(cfg.Now),
		seed: maphash.MakeSeed(), guard: cfg.Guard, rate: cfg.Rate, stats: cfg.Stats, refuses: cfg.Refuses,
	}
	p.trunks = newTrunks(&cfg, p.inquire, p.cannot)
	p.shards = newShards(&cfg, p.tasks.panicked)
	p.refusals = newRefusals(p.shards)
	self := cfg.Table.Self()
	p.routes = &route.Reader{Ring: route.NewRing(cfg.RouteKeys), Self: self, Mine: cfg.LeadsHere, Others: func(u message.URI) bool { return namesNode(cfg.Machine.View(), u) }}
	births, asked := newBirths(), transfer.NewBook(maxAskedToCall, cfg.Now)
	p.callers = &callers{machine: cfg.Machine, guard: cfg.Guard, trunks: p.trunks, draining: cfg.Draining, behind: cfg.Behind, seed: maphash.MakeSeed()}
	p.relays = &relays{
		shards: p.shards, routes: p.routes, dialogs: p.dialogs, timerC: cfg.TimerC, seed: p.seed, asked: asked,
		path: &dialogPath{machine: cfg.Machine, exits: p.exits, store: cfg.Store, trunks: p.trunks, now: cfg.Now, heard: cfg.Table.Heard,
			ring: p.routes.Ring, owner: func(n dn.Number) (*configpb.Node, bool) { return OwnerOf(cfg.Table, cfg.Machine.View(), n) }},
		admit: &admission{machine: cfg.Machine, self: self, store: cfg.Store, trunks: p.trunks, callers: p.callers, dialogs: p.dialogs,
			births: births, now: cfg.Now, proved: recent.New(maxProofs)},
	}
	hanger := &hanger{machine: cfg.Machine, shards: p.shards, routes: p.routes, path: p.relays.path, dialogs: p.dialogs}
	p.orphans = newOrphans(hanger, p.tasks)
	p.calls = &calls{
		hanger: hanger, machine: cfg.Machine, caller: cfg.Calls, log: cfg.Log, shards: p.shards, tasks: p.tasks, dialogs: p.dialogs, routes: p.routes, timerC: cfg.TimerC,
		asked: asked, find: cfg.Find, noteLeg: cfg.Carry, phones: cfg.Phones, room: room{max: cfg.MaxCalls},
		targets: &targets{machine: cfg.Machine, table: cfg.Table, store: cfg.Store, now: cfg.Now, exits: p.exits, ring: p.routes.Ring, trunks: p.trunks, sealed: cfg.Sealed, service: cfg.ServiceRoute},
		records: &route.Recorder{Ring: p.routes.Ring, Hosts: cfg.RecordRoutes}, births: births,
	}
	return p
}

// Connect gives the proxy the ways out. Call it before run.
func (p *Proxy) Connect(out *wire.Exits) { p.exits.Exits = out }

// CatchUp takes the trunks of a configuration that was loaded since New. Call it before what
// comes is served.
func (p *Proxy) CatchUp() { p.trunks.catchUp() }

// Gaps are what this node may not know yet.
func (p *Proxy) Gaps() answer.Gaps { return p.callers.gaps() }

// AsksCertificates tells whether a trunk is known by the certificate that it shows.
func (p *Proxy) AsksCertificates() bool { return p.trunks.named() }

// Trunk is the DN of the gateway that calls from an address; "" for none. surely: nobody
// else does.
func (p *Proxy) Trunk(source netip.AddrPort, t location.Transport) (n dn.Number, surely bool) {
	k, surely := p.trunks.from(&packet{exits: p.exits, source: source, transport: t})
	if k == nil {
		return "", false
	}
	return k.number, surely
}

// TrunkStates are those of a trunk's addresses.
func (p *Proxy) TrunkStates(n dn.Number) []carrier.State { return p.trunks.book.States(n) }

// Trunks counts the addresses of all trunks, and those that do not answer.
func (p *Proxy) Trunks() (addresses, down int) { return p.trunks.book.Count() }

// SurelyTrunk tells whether a gateway calls from an address, and nobody else does.
func (p *Proxy) SurelyTrunk(source netip.AddrPort, t location.Transport) bool {
	p.trunks.mu.RLock()
	defer p.trunks.mu.RUnlock()
	return p.trunks.surely(&packet{exits: p.exits, source: source, transport: t}) != nil
}

// SetRouteKeys replaces those of the config, at any time. There must be one.
func (p *Proxy) SetRouteKeys(keys []route.Key) { p.routes.Ring.SetKeys(keys) }

// Run keeps the proxy until ctx ends, and then waits for the calls that have
// goroutines.
func (p *Proxy) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { p.dialogs.Run(ctx) })
	all.Go(func() { p.refusals.run(ctx) })
	all.Go(func() { _ = p.trunks.book.Run(ctx) }) // the context's error
	err := p.trunks.follow(ctx)
	p.tasks.end()
	all.Wait()
	p.tasks.wait()
	p.shards.close()
	p.dialogs.Forget()
	return err
}

// NoteRefused passes on what the network refused.
func (p *Proxy) NoteRefused(b []byte) { p.refusals.note(b) }

// HangUp hangs up what is left here of a call, by its ConnID, that is over as another node says.
func (p *Proxy) HangUp(call string) { p.calls.hanger.over(call) }

// Ask sends again what is under way to a peer: streams to it have ended, and some of it
// may be lost. What can't be sent any more and was not heard of fails.
func (p *Proxy) Ask(peer dn.Node) {
	p.eachShard(func(sh *shard) { sh.Resend(goes(func(h *hop) bool { return h.peer == peer })) })
}

// NoteCut tells that a connection to a gateway is over, or did not come about: what is under
// way goes by another one, or fails.
func (p *Proxy) NoteCut(to wire.Remote, stood bool) {
	p.eachShard(func(sh *shard) { sh.Cut(goes(func(h *hop) bool { return h.dials && h.remote() == to }), stood) })
}

// eachShard has f work on the shards one after the other, and sends together what it makes.
func (p *Proxy) eachShard(f func(*shard)) {
	p.exits.Hold()
	defer p.exits.Release()
	for _, sh := range p.shards.list {
		sh.Lock()
		f(sh)
		sh.Unlock()
	}
}

// goes picks what goes by a hop.
func goes(by func(*hop) bool) func(transaction.Sender) bool {
	return func(to transaction.Sender) bool {
		h, ok := to.(*hop)
		return ok && by(h)
	}
}

// PeerHeard tells whether a peer is heard: what rings here for callers of a lost one ends.
func (p *Proxy) PeerHeard(peer dn.Node, heard bool) {
	if heard {
		p.relays.path.ended.note(peer, false)
	}
	p.orphans.heard(peer, heard)
}

// PeerGone tells that a peer's process is no more: what rings here for its callers ends at once.
func (p *Proxy) PeerGone(peer dn.Node) {
	if at := p.relays.path; !at.heard(peer) { // otherwise it is there again
		at.ended.note(peer, true)
	}
	p.orphans.gone(peer)
}

// Held adds what calls hold.
func (p *Proxy) Held(held map[string]int) {
	p.calls.room.held(held)
	p.tasks.held(held)
	p.shards.held(held)
	p.dialogs.Held(held)
	p.trunks.book.Held(held)
}

// Take serves a message that the gate let through. A panic costs only that one.
func (p *Proxy) Take(in *wire.Arrival) {
	from := packet{exits: p.exits, source: in.Source, transport: in.Transport, peer: in.Peer, late: in.Late}
	if in.Peer != "" {
		from.group = peer.Group(in.Msg.Get(message.CallID))
	}
	p.serve(&in.Msg, &from)
}

func (p *Proxy) serve(m *message.Message, in *packet) {
	p.exits.trace.Received(m, trace.Way{Peer: in.peer, Transport: in.transport, Addr: in.source})
	p.exits.Hold()
	defer p.exits.Release()
	sh := p.shards.of(m.Get(message.CallID))
	sh.Lock()
	defer sh.Unlock()
	defer func() {
		if x := recover(); x != nil {
			p.tasks.panicked(x)
			if m.IsRequest() {
				sh.refuse(m, in, &answer.Answer{Code: 500, Reason: "Server Internal Error"})
			}
		}
	}()
	if m.IsRequest() {
		p.request(sh, m, in)
		return
	}
	if m.Fault == nil {
		if !sh.Response(topBranch(m), m) {
			sh.stray(m, in)
		}
	}
}

// request sorts out what belongs to a transaction that is there.
func (p *Proxy) request(sh *shard, m *message.Message, in *packet) {
	key := transaction.KeyOf(m)
	srv, found := sh.Find(key)
	switch string(m.Method) {
	case "ACK":
		if !found || !srv.Ack() {
			p.relays.ack(sh, m, in)
		}
		return
	case "CANCEL":
		if !found && !p.calls.cancelUnknown(sh, m, in) {
			sh.refuse(m, in, &answer.Answer{Code: 481, Reason: "Call/Transaction Does Not Exist"})
			return
		}
		sh.refuse(m, in, &answer.Answer{Code: 200, Reason: "OK"})
		if !found {
			return
		}
		if c, ok := srv.User().(canceler); ok {
			c.canceled(reasonsOf(m))
		}
		return
	}
	switch {
	case found:
		srv.Repeat()
	case string(m.Method) == "INVITE" && sh.Absorbed(key):
	default:
		p.fresh(sh, m, in, key)
	}
}

// canceler is told that the caller gave up, and why: values of Reason headers (RFC 3326).
type canceler interface{ canceled(reasons [][]byte) }

// maxReasons bounds how many reasons of a CANCEL go on.
const maxReasons = 4

// reasonsOf are those of a message.
func reasonsOf(m *message.Message) (list [][]byte) {
	for r := range m.All(message.Reason) {
		if len(list) < maxReasons {
			list = append(list, slices.Clone(r))
		}
	}
	return list
}
