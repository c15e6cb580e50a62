// Package nowait asks the kernel for what it does at once, past Go's scheduler. That one takes
// each system call for one that may wait, and has a thread watch it, every 20 µs at first: on
// a node with little to do this costs more than all that is sent. Here nothing waits in the
// kernel. Who has to wait for a socket does so in Go's poller, as with any net.Conn.
package nowait

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a TCP connection that is read and written so.
type Conn struct {
	tcp     *net.TCPConn
	raw     syscall.RawConn
	in, out half
}

// half is one direction of a Conn.
type half struct {
	mu    sync.Mutex
	b     []byte
	n     int
	errno syscall.Errno
	// do is read or write, made once: the poller calls it until it is true.
	do func(fd uintptr) bool
}

// TCP makes one of a connection that nobody else reads or writes.
func TCP(tcp *net.TCPConn) *Conn {
	raw, _ := tcp.SyscallConn() // fails for nil alone
	c := &Conn{tcp: tcp, raw: raw}
	c.in.do, c.out.do = c.in.read, c.out.write
	return c
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.tcp }

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	h := &c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = b
	err := c.raw.Read(h.do)
	h.b = nil
	switch {
	case err != nil:
		return 0, c.failed("read", cause(err))
	case h.errno != 0:
		return 0, c.failed("read", os.NewSyscallError("read", h.errno))
	case h.n == 0:
		return 0, io.EOF
	}
	return h.n, nil
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	h := &c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b, h.n, h.errno = b, 0, 0
	err := c.raw.Write(h.do)
	h.b = nil
	switch {
	case err != nil:
		err = c.failed("write", cause(err))
	case h.errno != 0:
		err = c.failed("write", os.NewSyscallError("write", h.errno))
	}
	return h.n, err
}

func (c *Conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// cause is what net says went wrong, without what it says of how it was asked.
func cause(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Close implements net.Conn.
func (c *Conn) Close() error { return c.tcp.Close() }

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.tcp.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.tcp.RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.tcp.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tcp.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tcp.SetWriteDeadline(t) }

// read takes what has arrived; false when nothing has.
func (h *half) read(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(h.b))), uintptr(len(h.b)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		h.n, h.errno = int(n), errno
		return true
	}
}

// write sends what there is room for; false while something is left.
func (h *half) write(fd uintptr) bool {
	for h.n < len(h.b) {
		rest := h.b[h.n:]
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			h.n += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			h.errno = errno
			return true
		}
	}
	return true
}

// TCPInfo is what the kernel says of a connection (tcp(7)).
func TCPInfo(fd int) (*unix.TCPInfo, error) {
	info, size := new(unix.TCPInfo), uint32(unix.SizeofTCPInfo)
	if _, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return nil, os.NewSyscallError("getsockopt", errno)
	}
	return info, nil
}

// SetOption sets an option of a socket that is a number.
func SetOption(fd, level, option, value int) error {
	v := int32(value)
	if _, _, errno := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0); errno != 0 {
		return os.NewSyscallError("setsockopt", errno)
	}
	return nil
}

// Asked is a number that an ioctl tells of a descriptor.
func Asked(fd int, request uint) (int, error) {
	var n int32
	if _, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0, os.NewSyscallError("ioctl", errno)
	}
	return int(n), nil
}
