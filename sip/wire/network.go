package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Network is where a Server binds its ports. The addresses of what it returns,
// and of what comes from there, are *net.UDPAddr and *net.TCPAddr.
type Network interface {
	// ListenPacket binds a UDP port. A write to it must not wait.
	ListenPacket(addr string) (net.PacketConn, error)
	// Listen binds a TCP port.
	Listen(addr string) (net.Listener, error)
}

// packetIO is a UDP port as datagrams and sendBatch use it: in batches.
type packetIO interface {
	// read waits for datagrams and puts them into bufs. There is one reader.
	read(bufs [][]byte, sizes []int, sources []netip.AddrPort) (int, error)
	// queued is how long the first of what was read last had waited in the kernel, and for
	// how many that had no room so far; zero where nobody knows.
	queued() (waited time.Duration, dropped uint32)
	// outlet makes one more way to write.
	outlet() outlet
	addr() *net.UDPAddr
	close() error
	// tells has refused told of datagrams that could not arrive, where that comes back.
	tells(refused func(b []byte))
	// sift has most of what those sources send not arrive, and of no others; an error where
	// that can't be done.
	sift(from []netip.Addr) error
}

// outlet writes to a UDP port, one batch at a time.
type outlet interface {
	// write does not wait, and returns how many went.
	write(bufs [][]byte, to []netip.AddrPort) (int, error)
}

// packets is the UDP port of a Network: a batch is one datagram.
type packets struct{ net.PacketConn }

func openPackets(n Network, addr string) (packetIO, error) {
	c, err := n.ListenPacket(addr)
	if err != nil {
		return nil, fmt.Errorf("sip: %w", err)
	}
	return packets{c}, nil
}

func (p packets) read(bufs [][]byte, sizes []int, sources []netip.AddrPort) (int, error) {
	n, from, err := p.ReadFrom(bufs[0])
	if err != nil {
		return 0, fmt.Errorf("sip: UDP: %w", err)
	}
	sizes[0], sources[0] = n, from.(*net.UDPAddr).AddrPort()
	return 1, nil
}

func (p packets) queued() (time.Duration, uint32) { return 0, 0 }

func (p packets) outlet() outlet { return p }

func (p packets) write(bufs [][]byte, to []netip.AddrPort) (int, error) {
	for i := range bufs {
		if _, err := p.WriteTo(bufs[i], net.UDPAddrFromAddrPort(to[i])); err != nil {
			return i, err
		}
	}
	return len(bufs), nil
}

func (p packets) addr() *net.UDPAddr { return p.LocalAddr().(*net.UDPAddr) }

func (p packets) close() error { return p.Close() }

func (p packets) tells(func([]byte)) {}

func (p packets) sift([]netip.Addr) error { return errors.ErrUnsupported }
