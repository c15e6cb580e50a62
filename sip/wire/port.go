package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/internal/keypair"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Config of a port.
type Config struct {
	// Listen are the host:port of the transports; "" leaves one out.
	Listen [location.WSS + 1]string
	// Network is where they are bound; nil means this machine's.
	Network Network
	// CertFile and keyFile are PEM files of what TLS and WSS show.
	CertFile, KeyFile string
	// AsksClients tells whether TLS asks who connects for a certificate; nil for never.
	// ClientCAFile has the authorities that those lead to; "" for the system's.
	AsksClients  func() bool
	ClientCAFile string
	// Origins are those of the pages whose scripts may open a WebSocket; nil means all.
	Origins []string
	// Slow is how long a message may take from its first byte to its last, stuck
	// how long a write may block; 0 means 10 s and 5 s.
	Slow, Stuck time.Duration

	// Hands serve datagrams at a time; 0 means 1.
	Hands int

	Flows   *Flows
	Handler handler
	// Flush makes durable what answers say was stored. When that takes too long it has
	// goOn called by another goroutine, and is false at the end.
	Flush func(goOn func()) bool
	// Ended is told of each DN that registered over a connection when that has
	// ended; bound tells whether a DN has a binding that came over it.
	Ended func(FlowKey, dn.Number)
	Bound func(FlowKey, dn.Number) bool
	Stats *answer.Counters
	Log   *slog.Logger
	// Events is told of sources that open too many connections; nil is nobody.
	Events *security.Events
}

// Port is the SIP port of a node: sockets and connections of all transports.
type Port struct {
	cfg Config
	// udp is nil when UDP is not served; sipgo reads it, and the listeners.
	udp         *datagrams
	tcp         []*listener
	certificate *keypair.Pair // of TLS; nil without
	known       *clients      // by a certificate of theirs; nil without TLS
	dialers     []*Dialer
	backlog     backlog // of the connections
}

// Open binds all ports and starts nothing. After an error close gives free
// what was bound.
func Open(cfg Config) (*Port, error) {
	if cfg.Slow == 0 {
		cfg.Slow = wholeMessage
	}
	if cfg.Stuck == 0 {
		cfg.Stuck = stuckWrite
	}
	p := &Port{cfg: cfg}
	p.backlog.turned = p.backs
	return p, p.open()
}

func (p *Port) open() error {
	if p.cfg.Listen[location.UDP] != "" {
		c, err := p.openUDP()
		if err != nil {
			return err
		}
		p.udp = newDatagrams(c, max(1, p.cfg.Hands), p.cfg.Handler, p.cfg.Flush, p.holdBack)
		p.udp.loaded, p.udp.took = p.loaded, p.cfg.Stats.Registered.ObserveN
	}
	web := (&upgrader{origins: p.cfg.Origins}).upgrade
	shake := [location.WSS + 1]func(net.Conn) (net.Conn, error){location.WS: web}
	if p.cfg.Listen[location.TLS] != "" || p.cfg.Listen[location.WSS] != "" {
		known, err := p.openTLS()
		if err != nil {
			return err
		}
		config := serverTLS(p.certificate)
		shake[location.TLS], shake[location.WSS] = known.secured(config), then(secure(config), web)
	}
	for t := location.TCP; t <= location.WSS; t++ {
		if p.cfg.Listen[t] == "" {
			continue
		}
		if err := p.listen(t, shake[t]); err != nil {
			return err
		}
	}
	p.openDialers()
	return nil
}

// openTLS reads the files of TLS.
func (p *Port) openTLS() (known *clients, err error) {
	if p.certificate, err = keypair.Open(p.cfg.CertFile, p.cfg.KeyFile, p.cfg.Log); err != nil {
		return nil, fmt.Errorf("sip: certificate: %w", err)
	}
	p.known = &clients{asks: p.cfg.AsksClients, file: p.cfg.ClientCAFile}
	return p.known, p.known.load()
}

// Reload reads the files of TLS again. An error says which can't be used: what was read
// of it before stays in use.
func (p *Port) Reload() error {
	if p.certificate == nil {
		return nil
	}
	return errors.Join(p.certificate.Load(), p.known.load())
}

func (p *Port) listen(t location.Transport, shake func(net.Conn) (net.Conn, error)) error {
	l, err := p.openTCP(p.cfg.Listen[t])
	if err != nil {
		return fmt.Errorf("sip: %s: %w", t, err)
	}
	log := p.cfg.Log.With("transport", t.String())
	if shake != nil {
		l = newHandshakes(l, shake, min(maxHandshakes, max(p.cfg.Flows.limit/2, 2)), log)
	}
	x := p.newListener(l, t)
	x.failing = notAccepting(log)
	p.tcp = append(p.tcp, x)
	return nil
}

func (p *Port) newListener(l net.Listener, t location.Transport) *listener {
	return &listener{Listener: l, transport: t, handler: p.cfg.Handler, stats: p.cfg.Stats, flows: p.cfg.Flows,
		slow: p.cfg.Slow, stuck: p.cfg.Stuck, backlog: &p.backlog, ended: p.cfg.Ended, bound: p.cfg.Bound, log: p.cfg.Log, events: p.cfg.Events}
}

func (p *Port) openUDP() (packetIO, error) {
	if p.cfg.Network != nil {
		return openPackets(p.cfg.Network, p.cfg.Listen[location.UDP])
	}
	s, err := openSocket(p.cfg.Listen[location.UDP])
	if err != nil {
		return nil, err
	}
	p.advise(s.room)
	return s, nil
}

// advise says what to do about less room than was asked for.
func (p *Port) advise(room int) {
	if room < receiveBuffer {
		p.cfg.Log.Warn("the kernel gives UDP less room for what waits to be read than is asked for: bursts may be lost", "asked", receiveBuffer, "given", room,
			"do", fmt.Sprintf("sysctl -w net.core.rmem_max=%d, then restart", receiveBuffer))
	}
}

// Refuses tells whether what begins now has to give way, because more comes by UDP than is
// served. What another node has begun does when things are worse, and when more comes by
// connections.
func (p *Port) Refuses(byPeer bool) bool {
	now, late := time.Now(), lateAfter
	if byPeer {
		late = graveAfter
	}
	return p.udp != nil && p.udp.load.refuses(now, late) || byPeer && p.backlog.refuses(now)
}

// Room is how many bytes of datagrams may wait to be read; 0 where nobody knows.
func (p *Port) Room() int {
	if p.udp == nil {
		return 0
	}
	if s, ok := p.udp.socket.(*socket); ok {
		return s.room
	}
	return 0
}

// loaded counts datagrams that the kernel had no room for, and says when more comes than
// is served.
func (p *Port) loaded(dropped uint32, begins, ends bool) {
	p.cfg.Stats.KernelDrops.Add(uint64(dropped))
	switch {
	case begins:
		p.cfg.Stats.Overloaded.Add(1)
		p.cfg.Log.Warn("more comes by UDP than is served: new calls are refused (503) while what is read has waited", "longer_than", lateAfter)
	case ends:
		p.cfg.Stats.Overloaded.Add(-1)
		p.cfg.Log.Info("all that comes by UDP is served in time again")
	}
}

// backs says when it begins or ends that more comes by connections than is served.
func (p *Port) backs(begins bool) {
	if begins {
		p.cfg.Stats.Overloaded.Add(1)
		p.cfg.Log.Warn("more comes by TCP, TLS and WebSocket than is served: new calls are refused (503) while what is read has waited", "longer_than", graveAfter)
		return
	}
	p.cfg.Stats.Overloaded.Add(-1)
	p.cfg.Log.Info("what comes by TCP, TLS and WebSocket is served in time again")
}

// holdBack counts datagrams that were not looked at.
func (p *Port) holdBack(n uint32, begins bool, from netip.AddrPort) {
	p.cfg.Stats.Shed.Add(uint64(n))
	if begins {
		p.cfg.Events.Event(security.Limited, "what", "datagrams", "port", "sip", "source", from.Addr().String())
	}
}

func (p *Port) openTCP(addr string) (net.Listener, error) {
	if p.cfg.Network != nil {
		return p.cfg.Network.Listen(addr)
	}
	return net.Listen("tcp", addr)
}

// Begin has datagrams read and served from now on, whether or not somebody reads from
// PacketConn yet: the handler must give it nothing before.
func (p *Port) Begin() {
	if p.udp != nil {
		p.udp.begin()
	}
}

// PacketConn is the UDP socket for sipgo; nil when UDP is not served.
func (p *Port) PacketConn() net.PacketConn {
	if p.udp == nil {
		return nil
	}
	return p.udp
}

// Listeners are those of the connections, for sipgo.
func (p *Port) Listeners() []net.Listener {
	list := make([]net.Listener, 0, len(p.tcp))
	for _, l := range p.tcp {
		list = append(list, l)
	}
	for _, d := range p.dialers {
		list = append(list, d)
	}
	return list
}

// Addr is the address that a transport is served on; nil when it is not.
func (p *Port) Addr(t location.Transport) net.Addr {
	if t == location.UDP && p.udp != nil {
		return p.udp.LocalAddr()
	}
	for _, l := range p.tcp {
		if l.transport == t {
			return l.Addr()
		}
	}
	return nil
}

// Peers carry messages to other nodes. No method waits.
type Peers interface {
	// Send copies b, and sends it behind what it was given of a group, which is that of a
	// Call-ID. An error says that there is no stream.
	Send(to dn.Node, group uint16, b []byte) error
	// Stands tells whether there is a stream.
	Stands(to dn.Node) bool
	// Hold gathers what is sent until Release was called as often.
	Hold()
	Release()
}

// Exits are the ways out of this node.
type Exits struct {
	Flows *Flows
	// Peers is nil without other nodes.
	Peers Peers
	// Datagrams is nil when UDP is not served.
	Datagrams *sendBatch
	// Via are the host:port of our Vias by transport.
	Via *location.Hosts
	// Dialers open connections, by transport; nil where none are.
	Dialers [location.TLS + 1]*Dialer
}

// Hold gathers datagrams, and what is sent to peers, until Release was called as often.
func (e *Exits) Hold() {
	if e.Datagrams != nil {
		e.Datagrams.Hold()
	}
	if e.Peers != nil {
		e.Peers.Hold()
	}
}

// Release sends what was gathered.
func (e *Exits) Release() {
	if e.Peers != nil {
		e.Peers.Release()
	}
	if e.Datagrams != nil {
		e.Datagrams.Release()
	}
}

// Exits are the ways out by this port and to peers; via are the host:port of our Vias.
// refused is told of a datagram that the network does not take, cut that a connection which
// this node has opened is over, or (stood is false) did not come about.
func (p *Port) Exits(via *location.Hosts, peers Peers, refused func([]byte), cut func(to Remote, stood bool)) *Exits {
	e := &Exits{Flows: p.cfg.Flows, Peers: peers, Via: via}
	for _, d := range p.dialers {
		e.Dialers[d.transport], d.over = d, cut
	}
	if p.udp != nil {
		p.udp.exits = e
		p.udp.out.refused = refused
		p.udp.socket.tells(refused)
		e.Datagrams = p.udp.out
	}
	return e
}

// Await has f called, again and again, to wait until a descriptor can be read; f may serve
// something else meanwhile, and with an error it has not waited. It is called before what
// is served is read, and false where nobody will call f.
func (p *Port) Await(f func(fd int) error) bool {
	if p.udp == nil {
		return false
	}
	s, ok := p.udp.socket.(*socket)
	if ok {
		s.await = f
	}
	return ok
}

// Run keeps the connections until ctx ends.
func (p *Port) Run(ctx context.Context) error {
	if p.certificate == nil {
		return p.cfg.Flows.keepWebSockets(ctx)
	}
	follows := make(chan error, 1)
	go func() { follows <- p.certificate.Follow(ctx) }()
	return errors.Join(p.cfg.Flows.keepWebSockets(ctx), <-follows)
}

// Close closes ports and connections.
func (p *Port) Close() error {
	var err error
	for _, l := range p.tcp {
		err = errors.Join(err, l.Close())
	}
	for _, d := range p.dialers {
		err = errors.Join(err, d.Close())
	}
	p.cfg.Flows.shut()
	if p.udp != nil {
		err = errors.Join(err, p.udp.Close())
	}
	return err
}

// Held adds what connections and what is sent hold.
func (p *Port) Held(held map[string]int) {
	held["sip_connections"] = p.cfg.Flows.Len()
	held["sip_handshakes"] = p.shakingHands()
	held["sip_unanswered"] = p.cfg.Flows.unanswered()
	held["sip_relays"] = p.cfg.Flows.relayed()
	if p.udp != nil {
		held["sip_datagrams_held"] = p.udp.out.waiting()
	}
}

func (p *Port) shakingHands() (n int) {
	for _, l := range p.tcp {
		if h, ok := l.Listener.(*handshakes); ok {
			n += h.len()
		}
	}
	return n
}
