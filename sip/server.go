package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/carrier"
	"github.com/sipcluster/sipcluster/sip/contact"
	"github.com/sipcluster/sipcluster/sip/enrolment"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/refer"
	"github.com/sipcluster/sipcluster/sip/registrar"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// Server is the SIP port of a node.
type Server struct {
	cfg       Config
	log       *slog.Logger
	stats     *answer.Counters
	guard     *guard.Guard
	registrar *registrar.Registrar
	gate      *gate
	flows     *wire.Flows
	port      *wire.Port
	pings     *pings
	proxy     *proxy.Proxy      // nil without calls
	referrer  *refer.Referrer   // nil without calls
	accounts  *enrolment.Keeper // nil without calls
	peers     *peer.Port        // nil without other nodes
	ua        *sipgo.UserAgent
	srv       *sipgo.Server
	unflushed everyMinute
	// rates of new registrations and of new calls.
	rates [2]*guard.Rate
	// reach are the host:port of our Vias and Record-Routes by transport.
	reach location.Hosts
	// told is what Advertise says; served are the addresses of this port, where they are known.
	told   atomic.Pointer[string]
	served []netip.AddrPort

	closing sync.Once
	closed  chan struct{}
}

// ErrClosed is what Run returns of a Server that was closed before or meanwhile.
var ErrClosed = errors.New("sip: the server is closed")

// New binds the ports and puts the bindings that the store holds back in
// service; boring REGISTERs over UDP are served while Config.Load works, if it wants
// that, and nothing else before Run. A port in use is an error that names it. Close
// gives the ports free, also when Run is never called.
func New(cfg Config) (*Server, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	setSipgoGlobals()
	s := &Server{cfg: cfg, log: cfg.Log, stats: &answer.Counters{}, flows: wire.NewFlows(cfg.MaxConnections), closed: make(chan struct{})}
	s.rates = [...]*guard.Rate{guard.NewRate(cfg.Rate, cfg.Now), guard.NewRate(cfg.Rate, cfg.Now)}
	s.guard = guard.New(guard.Config{
		Machine: cfg.Machine, Store: cfg.Store, Hosts: cfg.Hosts, Digest: cfg.digest, Stats: s.stats, Events: cfg.Events, Now: cfg.Now,
	})
	s.registrar = registrar.New(registrar.Config{
		Machine: cfg.Machine, Table: cfg.Table, Store: cfg.Store, Guard: s.guard, Rate: s.rates[0], Flows: s.flows, Stats: s.stats,
		Draining: cfg.Draining, Drained: cfg.Drained, Behind: cfg.Behind, Partial: cfg.Partial, Now: cfg.Now, TagSeed: cfg.tagSeed, Log: s.log,
		Trunk: func(source netip.AddrPort, t location.Transport) bool {
			return s.proxy != nil && s.proxy.SurelyTrunk(source, t)
		},
		Loops: func(b *location.Binding) bool { return s.proxy != nil && s.proxy.Loops(b) },
	})
	s.gate = &gate{stats: s.stats, log: s.log, seed: s.cfg.tagSeed, parser: newParser(), guard: s.guard, doors: newDoors()}
	if cfg.UDP != "" {
		for range s.cfg.hands {
			s.gate.fast = append(s.gate.fast, registrar.NewFast(s.registrar))
		}
	}
	var err error
	if s.port, err = wire.Open(s.portConfig()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.serves()
	s.Advertise(cfg.Advertise)
	s.connect()
	if err := s.stack(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// load has the bindings back in service.
func (s *Server) load() error {
	if s.cfg.Load != nil {
		defer s.gate.doors.let(later)
		if err := s.cfg.Load(s.serveEarly); err != nil {
			return err
		}
	}
	s.pings.before = s.registrar.Restore()
	return nil
}

// serveEarly says whether boring REGISTERs are served before Run.
func (s *Server) serveEarly(yes bool) {
	if !yes {
		s.gate.doors.let(later)
		return
	}
	s.gate.doors.let(phones)
	s.port.Begin()
}

func (s *Server) portConfig() wire.Config {
	c := &s.cfg
	return wire.Config{
		Listen:  [...]string{location.UDP: c.UDP, location.TCP: c.TCP, location.TLS: c.TLS, location.WS: c.WS, location.WSS: c.WSS},
		Network: c.Network, CertFile: c.CertFile, KeyFile: c.KeyFile, ClientCAFile: c.ClientCAFile,
		AsksClients: func() bool { return s.proxy != nil && s.proxy.AsksCertificates() },
		Origins:     c.Origins, Slow: c.slow, Stuck: c.stuck, Hands: c.hands,
		Flows: s.flows, Handler: s.gate, Flush: s.flushHere, Ended: s.registrar.FlowEnded, Bound: s.registrar.Bound, Stats: s.stats, Log: s.log, Events: c.Events,
	}
}

// connect gives what sends the ways out, and the gate those it serves.
func (s *Server) connect() {
	var refused func([]byte)
	var cut func(wire.Remote, bool)
	s.pings = newPings(s.cfg.Machine, s.cfg.Store, s.registrar, s.cfg.Now)
	if s.cfg.Calls != nil {
		s.proxy = proxy.New(s.proxyConfig())
		s.gate.proxied, refused, cut = s.proxy.Take, s.proxy.NoteRefused, s.proxy.NoteCut
		s.referrer = refer.New(refer.Config{Machine: s.cfg.Machine, Phones: s.proxy, Hosts: &s.reach, Now: s.cfg.Now})
		s.gate.notify = s.referrer.Notify
		t := s.cfg.Table
		s.accounts = enrolment.New(enrolment.Config{Self: t.Self(), Heard: t.Heard, View: s.cfg.Machine.View, Carriers: s.proxy, Hosts: &s.reach, Log: s.log})
	}
	out := s.port.Exits(&s.reach, s.openPeers(), refused, cut)
	if s.proxy != nil {
		s.proxy.Connect(out)
	}
	if s.peers != nil && s.port.Await(s.peers.Wait) {
		s.peers.Lend()
	}
	s.pings.out, s.gate.pong = out, s.pings.pong
}

func (s *Server) proxyConfig() proxy.Config {
	c := &s.cfg
	return proxy.Config{
		Machine: c.Machine, Table: c.Table, Store: c.Store, Guard: s.guard, Rate: s.rates[1], Stats: s.stats, Draining: c.Draining, Behind: c.Behind, Refuses: s.port.Refuses, Log: s.log, Now: c.Now,
		TagSeed: s.cfg.tagSeed, Calls: c.Calls, RouteKeys: c.RouteKeys, LeadsHere: s.leadsHere, Datagrams: s.datagrams, RecordRoutes: &s.reach, Carry: c.Carry, Sealed: c.Sealed, Find: s.find,
		Phones: cmp.Or[proxy.Phones](c.phones, s.pings), ServiceRoute: s.serviceRoute, MaxCalls: c.MaxCalls, TimerC: c.TimerC, Timers: c.timers, NameServers: c.NameServers, Trace: c.Trace, Reached: s.reached,
	}
}

// FindContact is the DN of the phone that registered a Contact at this node; "" for none.
func (s *Server) FindContact(uri string) dn.Number { return contact.Owner(s.cfg.Store, uri) }

// find is FindContact for all nodes.
func (s *Server) find(ctx context.Context, uri string) dn.Number {
	n := s.FindContact(uri)
	if n == "" && s.cfg.FindElsewhere != nil {
		n = s.cfg.FindElsewhere(ctx, uri)
	}
	return n
}

// TrunkStates are those of a trunk's addresses; none without calls.
func (s *Server) TrunkStates(n dn.Number) []carrier.State {
	if s.proxy == nil {
		return nil
	}
	return s.proxy.TrunkStates(n)
}

// Trunks counts the addresses of all trunks, and those that do not answer.
func (s *Server) Trunks() (addresses, down int) {
	if s.proxy == nil {
		return 0, 0
	}
	return s.proxy.Trunks()
}

// Registered is what this node knows of the registration at a trunk's carrier; false when
// it has none.
func (s *Server) Registered(n dn.Number) (enrolment.Status, bool) {
	if s.accounts == nil {
		return enrolment.Status{}, false
	}
	return s.accounts.Status(n)
}

// Passes are the trunks at which this node passes its turn to register on, and which word
// of it this is, from 1 on; 0 for none.
func (s *Server) Passes() (trunks []dn.Number, edition uint64) {
	if s.accounts == nil {
		return nil, 0
	}
	p := s.accounts.Passes()
	return p.Trunks, p.Edition
}

// Passed takes what another node says of its own turns.
func (s *Server) Passed(peer dn.Node, trunks []dn.Number) {
	if s.accounts != nil {
		s.accounts.Told(peer, trunks)
	}
}

// serviceRoute is that of the registration at a trunk's address.
func (s *Server) serviceRoute(n dn.Number, at netip.AddrPort) [][]byte {
	if s.accounts == nil {
		return nil
	}
	return s.accounts.ServiceRoute(n, at)
}

// reached has the accounts looked at when a trunk answers this node, or does no more.
func (s *Server) reached() {
	if s.accounts != nil {
		s.accounts.Wake()
	}
}

// followTrunks has the accounts of trunks looked at when the configuration changes.
func (s *Server) followTrunks(ctx context.Context) error {
	w := s.cfg.Machine.Watch()
	defer w.Close()
	for {
		if _, err := w.Next(ctx); err != nil {
			return err
		}
		s.accounts.Wake()
	}
}

// Addr is the address that a transport is served on; nil when it is not.
func (s *Server) Addr(t location.Transport) net.Addr { return s.port.Addr(t) }

// UDPAddr is the address that UDP is served on; nil when it is not.
func (s *Server) UDPAddr() net.Addr { return s.Addr(location.UDP) }

// TCPAddr is the address that TCP is served on; nil when it is not.
func (s *Server) TCPAddr() net.Addr { return s.Addr(location.TCP) }

// stack sets sipgo up.
func (s *Server) stack() error {
	log := sipgoLogger(s.log)
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("sipcluster"), sipgo.WithUserAgentParser(newParser()),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(log)),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(log),
			sip.WithTransportLayerTransports(sip.TransportsConfig{TCP: &sip.TransportTCP{DialerCreate: s.dialer}})))
	if err != nil {
		return fmt.Errorf("sip: %w", err)
	}
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(log))
	if err != nil {
		return fmt.Errorf("sip: %w", err)
	}
	s.ua, s.srv = ua, srv
	s.handlers()
	return nil
}

// newParser reads only the headers that transactions need; the others stay as
// they are written, so that none can make sipgo drop a message.
func newParser() *sip.Parser {
	all, few := sip.DefaultHeadersParser(), map[string]sip.HeaderParser{}
	for _, name := range []string{"via", "call-id", "cseq", "max-forwards", "content-length"} {
		few[name] = all[name]
	}
	return sip.NewParser(sip.WithHeadersParsers(few))
}

var sipgoGlobals sync.Once

// setSipgoGlobals sets what sipgo keeps in variables of its package: no log of its
// own, no limit on answers over UDP (a 200 lists all contacts), and short
// timers for what survives Terminate.
func setSipgoGlobals() {
	sipgoGlobals.Do(func() {
		sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
		sip.UDPMTUSize = 65000
		sip.TransportBufferReadSize = wire.MaxTidy
		sip.Timer_J, sip.Timer_L, sip.Timer_M = 5*time.Second, 5*time.Second, 5*time.Second
	})
}

// Run serves until ctx ends, then closes ports and connections. The bindings
// stay: whoever restarts within their lifetime has them back. It may be called
// once.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-s.closed:
		return ErrClosed
	default:
	}
	if s.peers != nil {
		s.setPeers() // what comes first may go on to them
	}
	if s.proxy != nil {
		s.proxy.CatchUp()
	}
	s.gate.doors.let(everyone)
	group, ctx := errgroup.WithContext(ctx)
	if c := s.port.PacketConn(); c != nil {
		group.Go(func() error { return s.srv.ServeUDP(c) })
	}
	for _, l := range s.port.Listeners() {
		group.Go(func() error { return ignoreClosed(s.srv.ServeTCP(l)) })
	}
	group.Go(func() error { return s.registrar.Run(ctx, s.flush) })
	group.Go(func() error { return s.pings.run(ctx) })
	group.Go(func() error { return s.pings.ask(ctx) })
	group.Go(func() error { return s.port.Run(ctx) })
	if s.proxy != nil {
		group.Go(func() error { return s.proxy.Run(ctx) })
		group.Go(func() error { return s.accounts.Run(ctx) })
		group.Go(func() error { return s.followTrunks(ctx) })
	}
	if s.peers != nil {
		group.Go(func() error { return s.peers.Run(ctx) })
		group.Go(func() error { return s.followRoster(ctx) })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Close())
		case <-s.closed:
			return cmp.Or(ctx.Err(), ErrClosed)
		}
	})
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// RenewPeers has the streams to all other nodes open anew, while others stand; ctx bounds it.
func (s *Server) RenewPeers(ctx context.Context) {
	if s.peers != nil {
		s.peers.Renew(ctx)
	}
}

// PeerHeard tells whether a peer is heard here: phones don't ring on for the callers of a
// lost one.
func (s *Server) PeerHeard(peer dn.Node, heard bool) {
	if s.peers != nil && heard {
		s.peers.Expect(peer)
	}
	if s.proxy != nil {
		s.proxy.PeerHeard(peer, heard)
		s.accounts.Wake()
	}
}

// PeerGone tells that a peer's process is no more, heard or not: nobody waits for it.
func (s *Server) PeerGone(peer dn.Node) {
	if s.proxy != nil {
		s.proxy.PeerGone(peer)
	}
}

// HangUp ends what is left at this node of a call, by its ConnID, that is over as another
// node says: the party here gets a BYE.
func (s *Server) HangUp(call string) {
	if s.proxy != nil {
		s.proxy.HangUp(call)
	}
}

// SetRouteKeys replaces Config.RouteKeys, at any time: the first is used, all are read,
// and one that is left out is read for calls that this node knows. There must be one.
func (s *Server) SetRouteKeys(keys []RouteKey) {
	if s.proxy != nil {
		s.proxy.SetRouteKeys(keys)
	}
}

// Close closes ports and connections, and so ends Run. It may be called at any
// time and more than once.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.closed)
		s.gate.doors.let(nobody)
		if s.peers != nil {
			s.peers.Close()
		}
		err = s.port.Close()
		if s.ua != nil {
			_ = s.ua.Close() // of connections that are closed by now
		}
	})
	return err
}

func ignoreClosed(err error) error {
	if wire.IsClosed(err) {
		return nil
	}
	return err
}

// Stats are the counts of now.
func (s *Server) Stats() answer.Stats {
	st := s.stats.Snapshot()
	st.Connections, st.Room = s.flows.Len(), s.port.Room()
	return st
}

// RegistrationTimes is how long registrations took, from when the REGISTER was received until its
// 200 was sent; a repeated one, and one that only asks, does not count.
func (s *Server) RegistrationTimes() histogram.Reading { return s.stats.Registered.Read() }

// Bans are the silences of now.
func (s *Server) Bans() []guard.Ban { return s.guard.Bans() }

// ClearBans ends silences as guard.ClearBans does.
func (s *Server) ClearBans(source netip.Addr, number string) int {
	return s.guard.ClearBans(source, number)
}

// Reload reads the files of TLS again, and takes another rate into use. An error says
// which file can't be used: what was read of it before stays in use.
func (s *Server) Reload(rate int) error {
	for _, r := range s.rates {
		r.Set(rate)
	}
	return s.port.Reload()
}

// flush makes accepted registrations durable. When the disk refuses, SIP goes
// on: what was accepted holds until the node restarts.
func (s *Server) flush() { s.flushed(s.cfg.Store.Flush()) }

// flushHere is flush for who reads datagrams: goOn is called when the disk takes too long,
// and then it is false at the end.
func (s *Server) flushHere(goOn func()) bool {
	here, err := s.cfg.Store.FlushHere(func(err error) {
		s.flushed(err)
		goOn()
	})
	if here {
		s.flushed(err)
	}
	return here
}

func (s *Server) flushed(err error) {
	if err == nil {
		return
	}
	s.stats.FlushFailures.Add(1)
	if s.unflushed.due(s.cfg.Now()) {
		s.log.Error("registrations are accepted but would not survive a restart: look at the data directory's disk", "err", err)
	}
}
