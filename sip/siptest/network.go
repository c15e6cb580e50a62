package siptest

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Network is a network in memory: what is sent has arrived when no time has
// passed, unless Way says otherwise. So a bubble of testing/synctest has the
// time of all timers of the servers and phones on it. Its methods may be called
// by several goroutines.
type Network struct {
	mu    sync.Mutex
	ports map[netip.AddrPort]*Port
	tcp   map[netip.AddrPort]*streams
	way   func(from, to netip.AddrPort, b []byte) (late time.Duration, ok bool)
	next  uint16
}

// NewNetwork makes one without anybody on it.
func NewNetwork() *Network {
	return &Network{ports: map[netip.AddrPort]*Port{}, tcp: map[netip.AddrPort]*streams{}, next: 40000}
}

// Way has f say of each datagram how late it arrives, and whether it does. It
// must not call the Network.
func (n *Network) Way(f func(from, to netip.AddrPort, b []byte) (late time.Duration, ok bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.way = f
}

// maxQueued is how many datagrams wait at a port; more are lost.
const maxQueued = 4096

// Port is a UDP port on a Network.
type Port struct {
	n      *Network
	local  netip.AddrPort
	queue  chan datagram
	closed chan struct{}
	once   sync.Once
}

type datagram struct {
	from netip.AddrPort
	text []byte
}

// ListenPacket implements sip.Network.
func (n *Network) ListenPacket(addr string) (net.PacketConn, error) { return n.Open(addr) }

// Open binds a UDP port; an error says that the address is none, or in use.
func (n *Network) Open(addr string) (*Port, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, err := n.bind(addr)
	if err != nil {
		return nil, err
	}
	if n.ports[a] != nil {
		return nil, fmt.Errorf("siptest: %s is in use", addr)
	}
	p := &Port{n: n, local: a, queue: make(chan datagram, maxQueued), closed: make(chan struct{})}
	n.ports[a] = p
	return p, nil
}

// bind reads an address; port 0 is one that nobody has.
func (n *Network) bind(addr string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(addr)
	if err == nil && a.Port() == 0 {
		n.next++
		a = netip.AddrPortFrom(a.Addr(), n.next)
	}
	return a, err
}

// send sends a datagram; one to nobody is lost.
func (n *Network) send(from, to netip.AddrPort, b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	late, ok := time.Duration(0), true
	if n.way != nil {
		late, ok = n.way(from, to, b)
	}
	d := datagram{from, append([]byte(nil), b...)}
	switch {
	case !ok:
	case late > 0:
		time.AfterFunc(late, func() { n.deliver(to, d) })
	default:
		n.ports[to].take(d)
	}
}

func (n *Network) deliver(to netip.AddrPort, d datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[to].take(d)
}

func (p *Port) take(d datagram) {
	if p == nil {
		return
	}
	select {
	case p.queue <- d:
	default: // lost
	}
}

// ReadFrom implements net.PacketConn.
func (p *Port) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.queue:
		return copy(b, d.text), net.UDPAddrFromAddrPort(d.from), nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn.
func (p *Port) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-p.closed:
		return 0, net.ErrClosed
	default:
	}
	p.n.send(p.local, to.(*net.UDPAddr).AddrPort(), b)
	return len(b), nil
}

// dial is a phone's way to its server.
func (n *Network) dial(cfg Config) (net.Conn, error) {
	local := cmp.Or(cfg.Local, "192.0.2.250:0")
	if cfg.Transport != "udp" {
		return n.Dial(local, cfg.Server)
	}
	return n.Connect(local, cfg.Server)
}

// Connect opens a port that talks to one other.
func (n *Network) Connect(local, server string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(server)
	if err != nil {
		return nil, err
	}
	p, err := n.Open(local)
	if err != nil {
		return nil, err
	}
	return &connected{p, to}, nil
}

// connected is a port that talks to one other.
type connected struct {
	*Port
	to netip.AddrPort
}

// Read implements net.Conn.
func (c *connected) Read(b []byte) (int, error) {
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || from.(*net.UDPAddr).AddrPort() == c.to {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (c *connected) Write(b []byte) (int, error) { return c.WriteTo(b, c.RemoteAddr()) }

// RemoteAddr implements net.Conn.
func (c *connected) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.to) }

// LocalAddr implements net.PacketConn.
func (p *Port) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.local) }

// Close implements net.PacketConn.
func (p *Port) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.n.mu.Lock()
		delete(p.n.ports, p.local)
		p.n.mu.Unlock()
	})
	return nil
}

// SetDeadline implements net.PacketConn; there are none.
func (p *Port) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (p *Port) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (p *Port) SetWriteDeadline(time.Time) error { return nil }
