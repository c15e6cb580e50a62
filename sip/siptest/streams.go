package siptest

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// streams is a TCP port on a Network. A connection holds nothing: a write waits
// until it is read.
type streams struct {
	n      *Network
	local  netip.AddrPort
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// stream is one end of a connection.
type stream struct {
	net.Conn
	local, remote netip.AddrPort
}

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.local) }

// RemoteAddr implements net.Conn.
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

// Listen implements sip.Network.
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, err := n.bind(addr)
	if err != nil {
		return nil, err
	}
	if n.tcp[a] != nil {
		return nil, fmt.Errorf("siptest: %s is in use", addr)
	}
	l := &streams{n: n, local: a, queue: make(chan net.Conn), closed: make(chan struct{})}
	n.tcp[a] = l
	return l, nil
}

// Dial opens a connection from one address to another.
func (n *Network) Dial(from, to string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(to)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	local, err := n.bind(from)
	l := n.tcp[a]
	n.mu.Unlock()
	if err != nil || l == nil {
		return nil, fmt.Errorf("siptest: nobody listens at %s: %w", to, err)
	}
	ours, theirs := net.Pipe()
	select {
	case l.queue <- &stream{theirs, a, local}:
		return &stream{ours, local, a}, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (l *streams) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *streams) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.n.mu.Lock()
		delete(l.n.tcp, l.local)
		l.n.mu.Unlock()
	})
	return nil
}

// Addr implements net.Listener.
func (l *streams) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }
