package peer

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// userTimeout is how long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT):
	// more than a lost packet takes on a long line, repeated once.
	userTimeout = 2 * time.Second
	// An idle stream is probed by the kernel, so that a cut that nobody told of ends it.
	probeIdle, probeEvery = 10 * time.Second, 3 * time.Second
	// sendBuffer is asked for, roomy says how much of it may be unacknowledged for a
	// write to be sure not to wait: the kernel counts several times the bytes of a short one.
	sendBuffer, roomy = 1 << 20, 16 << 10
)

// below is the TCP connection at the bottom, nil when there is none, and whether TLS is
// on the way.
func below(c net.Conn) (t *net.TCPConn, sealed bool) {
	for {
		switch x := c.(type) {
		case *net.TCPConn:
			return x, sealed
		case *tls.Conn:
			c, sealed = x.NetConn(), true
		case interface{ NetConn() net.Conn }:
			c = x.NetConn()
		default:
			return nil, sealed
		}
	}
}

// tune sets the options of a connection; without one that the kernel refuses it does too.
func tune(c net.Conn) {
	t, _ := below(c)
	if t == nil {
		return
	}
	_ = t.SetNoDelay(true)
	_ = t.SetWriteBuffer(sendBuffer)
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: probeEvery, Count: 3})
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
		})
	}
}

// directly is a write that takes what the connection has room for, and never waits.
func directly(c net.Conn) func(b []byte) (int, error) {
	t, sealed := below(c)
	if t == nil {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	if sealed {
		return func(b []byte) (int, error) {
			if !room(raw, len(b)) {
				return 0, nil
			}
			return c.Write(b)
		}
	}
	o := &offer{raw: raw}
	o.once = o.try
	return o.write
}

// offer writes what there is room for now. One write at a time.
type offer struct {
	raw  syscall.RawConn
	once func(fd uintptr) bool // try, made once

	b      []byte
	n      int
	failed syscall.Errno
}

func (o *offer) write(b []byte) (int, error) {
	o.b, o.n, o.failed = b, 0, 0
	err := o.raw.Write(o.once)
	switch o.b = nil; {
	case err != nil:
		return 0, err
	case o.failed == unix.EAGAIN:
		return 0, nil
	case o.failed != 0:
		return 0, o.failed
	}
	return o.n, nil
}

// try is true, so that nobody waits. The scheduler need not know of a system call that
// doesn't either.
func (o *offer) try(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(o.b))), uintptr(len(o.b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			o.n, o.failed = int(n), errno
			return true
		}
	}
}

// room tells whether a write of n bytes does not have to wait.
func room(raw syscall.RawConn, n int) (ok bool) {
	err := raw.Control(func(fd uintptr) {
		unsent, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		ok = err == nil && unsent+n < roomy
	})
	return ok && err == nil
}
