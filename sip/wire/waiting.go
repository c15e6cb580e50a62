package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waitingConn is a connection of which the kernel tells how long what is read has waited: of
// several segments that it keeps as one, the last one.
type waitingConn struct {
	*net.TCPConn
	raw syscall.RawConn

	// Below is the reader's own.
	header  unix.Msghdr
	buffer  unix.Iovec
	wait    queueing
	n       int
	errno   syscall.Errno
	receive func(fd uintptr) bool
}

// waiting makes one; of what is no TCP, or where the kernel does not tell, it returns c.
func waiting(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return c
	}
	var failed error
	if err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }); errors.Join(err, failed) != nil {
		return c
	}
	w := &waitingConn{TCPConn: t, raw: raw}
	w.header.Iov, w.header.Iovlen = &w.buffer, 1
	w.receive = w.try
	return w
}

// waitingOf is the one beneath TLS and WebSocket; nil when there is none.
func waitingOf(c net.Conn) *waitingConn {
	for {
		switch x := c.(type) {
		case *waitingConn:
			return x
		case interface{ NetConn() net.Conn }:
			c = x.NetConn()
		default:
			return nil
		}
	}
}

// NetConn is the connection beneath.
func (c *waitingConn) NetConn() net.Conn { return c.TCPConn }

// waited is how long what was read last had waited; 0 where nobody knows.
func (c *waitingConn) waited() time.Duration {
	if c == nil {
		return 0
	}
	return c.wait.waited
}

// Read implements net.Conn.
func (c *waitingConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.buffer.Base = unsafe.SliceData(b)
	c.buffer.SetLen(len(b))
	err := c.raw.Read(c.receive)
	c.buffer.Base = nil
	switch {
	case err != nil:
		return 0, err //nolint:wrapcheck // net's own, as that of any connection
	case c.errno != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("recvmsg", c.errno)}
	case c.n == 0:
		return 0, io.EOF
	}
	c.wait.end(&c.header, time.Now())
	return c.n, nil
}

// try reads what is there; false when that is nothing.
func (c *waitingConn) try(fd uintptr) bool {
	for {
		c.wait.begin(&c.header)
		// It does not wait, so the scheduler need not know.
		n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&c.header)), unix.MSG_DONTWAIT)
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			c.n, c.errno = int(n), errno
			return true
		}
	}
}
