package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Server is the SIP port of a node.
type Server struct {
	cfg         Config
	log         *slog.Logger
	stats       *counters
	guard       *guard
	registrar   *registrar
	gate        *gate
	flows       *flows
	pings       *pings
	proxy       *proxy // nil without calls
	ua          *sipgo.UserAgent
	srv         *sipgo.Server
	udp         *datagrams
	tcp         []*listener
	certificate *certificate // of TLS; nil without
	unflushed   everyMinute
	// via is the host:port of our Vias, routes those of Record-Routes by transport.
	via    string
	served []netip.AddrPort // of this port, where addresses are known
	routes [location.WSS + 1]string

	closing sync.Once
	closed  chan struct{}
}

// ErrClosed is what Run returns of a Server that was closed before or meanwhile.
var ErrClosed = errors.New("sip: the server is closed")

// New binds the ports and puts the bindings that the store holds back in
// service; it starts nothing. A port in use is an error that names it. Close
// gives the ports free, also when Run is never called.
func New(cfg Config) (*Server, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	setSipgoGlobals()
	s := &Server{cfg: cfg, log: cfg.Log, stats: &counters{}, flows: newFlows(cfg.MaxConnections), closed: make(chan struct{})}
	s.guard = newGuard(cfg.Machine, cfg.Hosts, digest.New(digest.Config{Now: cfg.Now}), s.stats)
	s.registrar = newRegistrar(&s.cfg, s.guard, s.stats, s.flows)
	s.pings = newPings(s)
	s.gate = &gate{stats: s.stats, seed: s.registrar.seed, parser: newParser(), guard: s.guard, pong: s.pings.pong}
	if cfg.Calls != nil {
		s.proxy = newProxy(s)
		s.gate.proxied = s.proxy.take
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.advertise()
	if err := s.stack(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.registrar.restore()
	return s, nil
}

func newRegistrar(cfg *Config, gd *guard, stats *counters, fl *flows) *registrar {
	return &registrar{
		machine: cfg.Machine, table: cfg.Table, store: cfg.Store, now: cfg.Now, draining: cfg.Draining,
		log: cfg.Log, guard: gd,
		seed: maphash.MakeSeed(), history: newHistory(), flows: fl, stats: stats,
		rate: newRateLimit(cfg.Rate, cfg.Now),
	}
}

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
		sip.TransportBufferReadSize = maxDatagram
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
	group, ctx := errgroup.WithContext(ctx)
	if s.udp != nil {
		group.Go(func() error { return s.srv.ServeUDP(s.udp) })
	}
	for _, l := range s.tcp {
		group.Go(func() error { return ignoreClosed(s.srv.ServeTCP(l)) })
	}
	group.Go(func() error { return s.registrar.expire(ctx, s.flush) })
	group.Go(func() error { return s.registrar.yield(ctx) })
	group.Go(func() error { return s.registrar.follow(ctx) })
	group.Go(func() error { return s.pings.run(ctx) })
	group.Go(func() error { return s.keepWebSockets(ctx) })
	if s.certificate != nil {
		group.Go(func() error { return s.certificate.follow(ctx) })
	}
	if s.proxy != nil {
		group.Go(func() error { return s.proxy.run(ctx) })
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

// Close closes ports and connections, and so ends Run. It may be called at any
// time and more than once.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.closed)
		for _, l := range s.tcp {
			err = errors.Join(err, l.Close())
		}
		s.flows.shut()
		if s.udp != nil {
			err = errors.Join(err, s.udp.Close())
		}
		if s.ua != nil {
			_ = s.ua.Close() // of connections that are closed by now
		}
	})
	return err
}

func ignoreClosed(err error) error {
	if isClosed(err) {
		return nil
	}
	return err
}

// Stats are the counts of now.
func (s *Server) Stats() Stats {
	st := s.stats.snapshot()
	st.Connections = s.flows.len()
	return st
}

// flush makes accepted registrations durable. When the disk refuses, SIP goes
// on: what was accepted holds until the node restarts.
func (s *Server) flush() {
	if err := s.cfg.Store.Flush(); err != nil {
		s.stats.flushFailures.Add(1)
		if s.unflushed.due(s.cfg.Now()) {
			s.log.Error("registrations are accepted but would not survive a restart: make room on the data directory's disk", "err", err)
		}
	}
}
