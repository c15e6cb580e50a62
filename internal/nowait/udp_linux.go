package nowait

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// UDP is a UDP socket that is read and written so.
type UDP struct {
	*net.UDPConn
	raw     syscall.RawConn
	six     bool
	in, out packet
}

// packet is one direction of a UDP.
type packet struct {
	mu    sync.Mutex
	b     []byte
	n     int
	errno syscall.Errno
	name  unix.RawSockaddrInet6 // room for an IPv4 one, too
	size  uint32
	// do is receive or send, made once: the poller calls it until it is true.
	do func(fd uintptr) bool
}

// NewUDP makes one of a socket that is used by nobody else.
func NewUDP(c *net.UDPConn) (*UDP, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	u := &UDP{UDPConn: c, raw: raw}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var domain int
		domain, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		u.six = domain == unix.AF_INET6
	})
	if err == nil {
		err = failed
	}
	u.in.do, u.out.do = u.in.receive, u.out.send
	return u, err
}

// ReadFromUDPAddrPort is that of net.UDPConn.
func (u *UDP) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	p := &u.in
	p.mu.Lock()
	defer p.mu.Unlock()
	p.b, p.size = b, unix.SizeofSockaddrInet6
	err := u.raw.Read(p.do)
	p.b = nil
	switch {
	case err != nil:
		return 0, netip.AddrPort{}, u.failed("read", cause(err))
	case p.errno != 0:
		return 0, netip.AddrPort{}, u.failed("read", os.NewSyscallError("recvfrom", p.errno))
	}
	return p.n, p.address(), nil
}

// WriteToUDPAddrPort is that of net.UDPConn.
func (u *UDP) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p := &u.out
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.goesTo(to, u.six) {
		return u.UDPConn.WriteToUDPAddrPort(b, to) // which says what is wrong with it
	}
	p.b = b
	err := u.raw.Write(p.do)
	p.b = nil
	switch {
	case err != nil:
		return 0, u.failed("write", cause(err))
	case p.errno != 0:
		return 0, u.failed("write", os.NewSyscallError("sendto", p.errno))
	}
	return len(b), nil
}

func (u *UDP) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: u.LocalAddr(), Err: err}
}

// receive takes a datagram; false when there is none.
func (p *packet) receive(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p.b))), uintptr(len(p.b)), unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&p.name)), uintptr(unsafe.Pointer(&p.size)))
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		p.n, p.errno = int(n), errno
		return true
	}
}

// send sends a datagram; false while there is no room for it.
func (p *packet) send(fd uintptr) bool {
	for {
		_, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p.b))), uintptr(len(p.b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&p.name)), uintptr(p.size))
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		p.errno = errno
		return true
	}
}

// goesTo sets the address of what is sent; false for one that such a socket does not send to,
// and for one in a zone.
func (p *packet) goesTo(to netip.AddrPort, six bool) bool {
	addr := to.Addr()
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	if six {
		p.name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&p.name.Port))[:], to.Port())
		p.size = unix.SizeofSockaddrInet6
		return true
	}
	if addr = addr.Unmap(); !addr.Is4() {
		return false
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&p.name))
	*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: addr.As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v4.Port))[:], to.Port())
	p.size = unix.SizeofSockaddrInet4
	return true
}

// address is from where a datagram came.
func (p *packet) address() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&p.name.Port))[:]) // at the same place in both
	if p.name.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&p.name)).Addr), port)
	}
	addr := netip.AddrFrom16(p.name.Addr)
	if id := p.name.Scope_id; id != 0 && !addr.Is4In6() {
		zone := strconv.Itoa(int(id))
		if i, err := net.InterfaceByIndex(int(id)); err == nil {
			zone = i.Name
		}
		addr = addr.WithZone(zone)
	}
	return netip.AddrPortFrom(addr, port)
}
