package wire

import (
	"bytes"
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"
)

// errQueue is where the kernel keeps what ICMP says of a socket's datagrams
// (ip(7), IP_RECVERR): that nobody listens there, that there is no way. It keeps
// the datagram with it, as far as that came back.
type errQueue struct {
	// refused is told of the datagrams, which may be cut off; it must not wait. nil
	// tells nobody.
	refused func(b []byte)

	mu        sync.Mutex
	text, oob [2048]byte
}

// keepErrors has the kernel keep them, of both families for a socket of IPv6.
func keepErrors(fd int, six bool) error {
	if six {
		if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVERR, 1); err != nil {
			return err
		}
	}
	return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1)
}

// drain tells of all that is there. Until then the error of each is also that of
// the next read or write, whatever it is about.
func (q *errQueue) drain(fd int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, q.text[:], q.oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		if q.refused != nil && unreachable(q.oob[:oobn]) {
			q.refused(bytes.Clone(q.text[:n]))
		}
	}
}

// unreachable tells whether the control messages of an error say that a datagram
// can't arrive (RFC 3261 §18.4). That it was too long, or that its hops were used
// up, says nothing of who listens there.
func unreachable(oob []byte) bool {
	const errno, origin, kind, code = 4, 4, 5, 6 // struct sock_extended_err
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return false
	}
	for _, m := range messages {
		of4 := m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR
		of6 := m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !of4 && !of6 || len(m.Data) <= code || binary.NativeEndian.Uint32(m.Data[:errno]) == uint32(unix.EMSGSIZE) {
			continue
		}
		switch m.Data[origin] {
		case unix.SO_EE_ORIGIN_ICMP:
			return m.Data[kind] == icmpUnreachable
		case unix.SO_EE_ORIGIN_ICMP6:
			return m.Data[kind] == icmp6Unreachable
		}
	}
	return false
}

// Types of ICMP (RFC 792) and of ICMPv6 (RFC 4443).
const icmpUnreachable, icmp6Unreachable = 3, 1
