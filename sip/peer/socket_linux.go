package peer

import (
	"net"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/nowait"
)

const (
	// userTimeout is how long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT):
	// more than a lost packet takes on a long line, repeated once.
	userTimeout = 2 * time.Second
	// An idle stream is probed by the kernel, so that a cut that nobody told of ends it.
	probeIdle, probeEvery = 10 * time.Second, 3 * time.Second
	sendBuffer            = 1 << 20
	// receiveBuffer is asked for: no more of a stream can have arrived than is read at once.
	receiveBuffer = 256 << 10
)

// Socket is a TCP connection at the bottom of one that Config.Dial makes or Serve is given.
// A Port takes it from Go's poller, which would wake one thread to learn of a message and
// then the one who reads it. From then on nothing waits: what the kernel has no room for is
// kept, and a read gives what the Port has read.
type Socket struct {
	tcp  *net.TCPConn
	conn *nowait.Conn // tcp, until it is taken

	mu      sync.Mutex
	taken   bool
	fd      int    // -1 when it is closed
	unsent  []byte // that the kernel had no room for
	written int64  // since it was taken
	in      []byte // that the Port has read; its reader's
}

// NewSocket makes one of a connection that is used by nobody else.
func NewSocket(c *net.TCPConn) *Socket { return &Socket{tcp: c, conn: nowait.TCP(c), fd: -1} }

// below is the Socket at the bottom; nil when there is none.
func below(c net.Conn) *Socket {
	for {
		if s, ok := c.(*Socket); ok {
			return s
		}
		x, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = x.NetConn()
	}
}

// take takes it from Go's poller.
func (s *Socket) take() (own int, err error) {
	raw, err := s.tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	s.tune(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	err = raw.Control(func(fd uintptr) { s.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = failed
	}
	if err != nil {
		s.fd = -1
		return 0, err
	}
	s.taken = true
	return s.fd, s.tcp.Close() // the kernel's end lives on
}

// tune sets the options of a connection; without one that the kernel refuses it does too.
func (s *Socket) tune(raw syscall.RawConn) {
	_ = s.tcp.SetNoDelay(true)
	_ = s.tcp.SetWriteBuffer(sendBuffer)
	_ = s.tcp.SetReadBuffer(receiveBuffer)
	_ = s.tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: probeEvery, Count: 3})
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
		// Who has few packets under way repeats a lost one again after the same time, not twice that.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_THIN_LINEAR_TIMEOUTS, 1)
	})
}

// dry is what a read finds when all that came is read. To TLS it is no end.
type dry struct{}

var errDry net.Error = dry{}

func (dry) Error() string   { return "sip: nothing more has arrived" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }

// Read implements net.Conn.
func (s *Socket) Read(b []byte) (int, error) {
	s.mu.Lock()
	taken := s.taken
	s.mu.Unlock()
	if !taken {
		return s.conn.Read(b)
	}
	if len(s.in) == 0 {
		return 0, errDry
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// fill reads into b, to be given by Read; more tells that b was too small for what has arrived.
func (s *Socket) fill(b []byte) (more bool, err error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return false, nil
		case errno != 0:
			return false, errno
		case n == 0:
			return false, errEnded
		default:
			s.in = b[:n]
			return int(n) == len(b), nil
		}
	}
}

// Write implements net.Conn.
func (s *Socket) Write(b []byte) (int, error) {
	s.mu.Lock()
	if !s.taken {
		s.mu.Unlock()
		return s.conn.Write(b)
	}
	defer s.mu.Unlock()
	n := 0
	if len(s.unsent) == 0 {
		var err error
		if n, err = s.send(b); err != nil {
			return 0, err
		}
	}
	s.unsent = append(s.unsent, b[n:]...)
	s.written += int64(len(b))
	return len(b), nil
}

// push sends what is left; empty tells that nothing is.
func (s *Socket) push() (empty bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.send(s.unsent)
	if s.unsent = s.unsent[n:]; len(s.unsent) == 0 {
		s.unsent = nil
	}
	return s.unsent == nil, err
}

// stuck tells whether something is left.
func (s *Socket) stuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unsent) > 0
}

// progress is how much was written, and how much of it the other end has.
func (s *Socket) progress() (written, arrived int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return s.written, 0
	}
	var n int32
	if _, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(s.fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return s.written, 0
	}
	return s.written, s.written - int64(n) - int64(len(s.unsent))
}

// send sends what there is room for. The scheduler need not know of a system call that
// does not wait. The caller holds mu.
func (s *Socket) send(b []byte) (int, error) {
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// Close implements net.Conn. Of one that is taken it ends both ways; who reads it hears of
// that and gives it free.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken {
		return s.tcp.Close()
	}
	if s.fd >= 0 {
		_ = unix.Shutdown(s.fd, unix.SHUT_RDWR) // that it has ended already is no matter
	}
	return nil
}

// free closes one that is taken.
func (s *Socket) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
	s.fd, s.unsent = -1, nil
}

// NetConn is the connection below, which is closed when it was taken.
func (s *Socket) NetConn() net.Conn { return s.tcp }

// LocalAddr implements net.Conn.
func (s *Socket) LocalAddr() net.Addr { return s.tcp.LocalAddr() }

// RemoteAddr implements net.Conn.
func (s *Socket) RemoteAddr() net.Addr { return s.tcp.RemoteAddr() }

// SetDeadline implements net.Conn. One that is taken has none.
func (s *Socket) SetDeadline(t time.Time) error { return s.tcp.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.tcp.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.tcp.SetWriteDeadline(t) }
