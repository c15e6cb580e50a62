package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/nowait"
)

// socket is a UDP socket that is read and written in batches, past Go's poller:
// the thread of the one who reads waits in the kernel. A poller would wake one
// thread to learn of a datagram and then the reader; at some thousands of
// datagrams a second, one or two at a time, that costs more than all that is
// done with them.
type socket struct {
	local *net.UDPAddr
	six   bool // an IPv6 socket, which takes IPv4 as mapped addresses
	both  bool // families are served: it is bound to all addresses of IPv6

	closed atomic.Bool
	// Held while a thread is in the kernel with fd; who holds reading may take writing.
	reading sync.Mutex
	writing sync.RWMutex
	fd      int
	in      vector
	wait    queueing // of what was read last
	room    int      // of what waits to be read, as the kernel gave it
	errors  errQueue
	origins *origins      // nil when it is bound to one address
	yields  nowait.Yields // the reader's
	// await waits until a descriptor can be read, and does something else meanwhile; with an
	// error it does not. nil is never called.
	await func(fd int) error
}

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// vector is what one system call reads or writes.
type vector struct {
	headers [batch]mmsghdr
	buffers [batch]unix.Iovec
	names   [batch]unix.RawSockaddrInet6 // room for an IPv4 one, too
}

func (v *vector) init() {
	for i := range v.headers {
		h := &v.headers[i].hdr
		h.Iov, h.Iovlen = &v.buffers[i], 1
		h.Name = (*byte)(unsafe.Pointer(&v.names[i]))
	}
}

func openSocket(addr string) (*socket, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("sip: UDP address %s: %w", addr, err)
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, fmt.Errorf("sip: %w", err)
	}
	defer c.Close()
	_ = c.SetWriteBuffer(receiveBuffer)
	s := &socket{local: c.LocalAddr().(*net.UDPAddr)}
	s.in.init()
	if s.fd, s.six, err = detach(c); err != nil {
		return nil, fmt.Errorf("sip: UDP address %s: %w", addr, err)
	}
	s.both = s.six && s.local.IP.IsUnspecified()
	s.room = makeRoom(s.fd)
	err = errors.Join(keepErrors(s.fd, s.six), tellQueueing(s.fd))
	if err == nil {
		s.origins, err = newOrigins(s.fd, s.six, s.local.AddrPort().Addr())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sip: UDP address %s: %w", addr, err), s.close())
	}
	return s, nil
}

// detach is the socket below c, which Go's poller forgets when c is closed.
func detach(c *net.UDPConn) (fd int, six bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var failed error
	err = raw.Control(func(own uintptr) {
		if fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0); failed != nil {
			return
		}
		var domain int
		if domain, failed = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); failed == nil {
			six = domain == unix.AF_INET6
			failed = unix.SetNonblock(fd, false)
		}
		if failed != nil {
			_ = unix.Close(fd)
		}
	})
	return fd, six, errors.Join(err, failed)
}

// read waits for datagrams and puts them into bufs; sizes and sources say what
// came. There is one reader.
func (s *socket) read(bufs [][]byte, sizes []int, sources []netip.AddrPort) (int, error) {
	v := &s.in
	for i := range bufs {
		v.buffers[i].Base = unsafe.SliceData(bufs[i])
		v.buffers[i].SetLen(len(bufs[i]))
		v.headers[i].hdr.Namelen = unix.SizeofSockaddrInet6
		if s.origins != nil && i > 0 {
			s.origins.in[i].give(&v.headers[i].hdr, len(s.origins.in[i].bytes()))
		}
	}
	s.wait.begin(&v.headers[0].hdr)
	n, err := s.receive(len(bufs))
	if n > 0 {
		s.wait.end(&v.headers[0].hdr, time.Now())
	}
	for i := range n {
		sizes[i], sources[i] = int(v.headers[i].len), v.address(i)
		if s.origins == nil {
			continue
		}
		room := &s.origins.in[i]
		if i == 0 {
			room = &s.wait.control
		}
		s.origins.came(room, &v.headers[i].hdr, sources[i])
	}
	return n, err
}

func (s *socket) queued() (waited time.Duration, dropped uint32) {
	return s.wait.waited, s.wait.dropped
}

func (s *socket) receive(room int) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	for !s.closed.Load() {
		// It does not wait, so the scheduler need not know.
		flags, call := unix.MSG_DONTWAIT, syscall.RawSyscall6
		if s.await == nil || s.await(s.fd) != nil {
			s.yields.Yield()
			flags, call = unix.MSG_WAITFORONE, syscall.Syscall6
		}
		n, _, errno := call(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in.headers[0])), uintptr(room), uintptr(flags), 0, 0)
		switch errno {
		case 0:
			if !s.closed.Load() {
				return int(n), nil
			}
		case unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOTSOCK:
			return 0, fmt.Errorf("sip: UDP: %w", errno)
		case unix.EINTR: // a signal came
		default: // something about one datagram that was sent
			s.errors.drain(s.fd)
		}
	}
	return 0, net.ErrClosed
}

// socketOutlet is a way to write to a socket; several do at a time.
type socketOutlet struct {
	socket   *socket
	vector   vector
	controls [batch]controls // room for where each comes from
}

func (s *socket) outlet() outlet {
	o := &socketOutlet{socket: s}
	o.vector.init()
	return o
}

// write sends bufs and returns how many went. It does not wait: what the
// kernel has no room for is lost, as on the network. An error is that of the
// first of them, unless it was about a datagram of before.
func (o *socketOutlet) write(bufs [][]byte, to []netip.AddrPort) (int, error) {
	s, v := o.socket, &o.vector
	s.writing.RLock()
	defer s.writing.RUnlock()
	for i := range bufs {
		v.buffers[i].Base = unsafe.SliceData(bufs[i])
		v.buffers[i].SetLen(len(bufs[i]))
		v.headers[i].hdr.Namelen = v.setAddress(i, to[i], s)
		if s.origins != nil {
			s.origins.goes(&o.controls[i], &v.headers[i].hdr, to[i], s.six)
		}
	}
	for tries := 0; !s.closed.Load(); tries++ {
		// It does not wait, so the scheduler need not know.
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&v.headers[0])), uintptr(len(bufs)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			if int(n) < len(bufs) {
				s.errors.drain(s.fd) // the kernel has not said why it stopped
			}
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			return 1, nil
		default:
			s.errors.drain(s.fd)
			if noSource(errno) && v.headers[0].hdr.Controllen > 0 { // this host has not the address that was called any more
				s.origins.forget(to[0])
				s.origins.goes(&o.controls[0], &v.headers[0].hdr, to[0], s.six)
			}
			if tries == maxStale {
				return 0, errno
			}
		}
	}
	return 0, net.ErrClosed
}

// maxStale is how many errors of other datagrams a write may meet, one after the
// other: each says of itself only that something came back.
const maxStale = 3

// noSource tells whether the kernel may mean the address that a datagram is to come from.
func noSource(errno syscall.Errno) bool {
	return errno == unix.EINVAL || errno == unix.ENETUNREACH || errno == unix.EADDRNOTAVAIL
}

func (s *socket) addr() *net.UDPAddr { return s.local }

// tells is called before the first read.
func (s *socket) tells(refused func(b []byte)) { s.errors.refused = refused }

// close ends read and gives the port free.
func (s *socket) close() error {
	if s.closed.Swap(true) {
		return nil
	}
	// It wakes the reader; that it says the socket isn't connected is no matter. The reader
	// may be about to write what streams brought, and holds reading then.
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
	s.reading.Lock()
	defer s.reading.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	return unix.Close(s.fd)
}

func (v *vector) address(i int) netip.AddrPort {
	six := &v.names[i]
	port := (*[2]byte)(unsafe.Pointer(&six.Port)) // at the same place in both
	number := uint16(port[0])<<8 | uint16(port[1])
	if six.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(six)).Addr), number)
	}
	a := netip.AddrFrom16(six.Addr).Unmap()
	if six.Scope_id != 0 && a.Is6() {
		a = a.WithZone(zoneName(six.Scope_id))
	}
	return netip.AddrPortFrom(a, number)
}

// setAddress returns the length of the name. To a family that the socket does not serve it
// is none that the kernel takes: 0.0.0.0 would be this machine, and from an address of IPv6
// the kernel sends to IPv4 as 127.0.0.6.
func (v *vector) setAddress(i int, to netip.AddrPort, s *socket) uint32 {
	six := &v.names[i]
	var length uint32 = unix.SizeofSockaddrInet6
	switch a := to.Addr().Unmap(); {
	case !s.both && a.Is4() == s.six:
		*six = unix.RawSockaddrInet6{Family: unix.AF_PACKET}
	case s.six:
		*six = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16(), Scope_id: zoneID(to.Addr().Zone())}
	default:
		length = unix.SizeofSockaddrInet4
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(six))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.As4()}
	}
	port := (*[2]byte)(unsafe.Pointer(&six.Port))
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	return length
}

// zoneName and zoneID translate the zone of a link-local IPv6 address.
func zoneName(id uint32) string {
	if i, err := net.InterfaceByIndex(int(id)); err == nil {
		return i.Name
	}
	return fmt.Sprint(id)
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
