package tcontroller

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SetUserTimeout has the kernel end the connection when sent bytes stay
// unacknowledged for UserTimeout (TCP_USER_TIMEOUT, RFC 5482). The kernel keeps
// that time also while this process gets no CPU.
func SetUserTimeout(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(UserTimeout/time.Millisecond))
	})
	if err != nil {
		return err
	}
	return set
}

// measureSocket asks the kernel (SIOCOUTQ, SIOCINQ: tcp(7)). A connection that
// was closed has nothing.
func measureSocket(raw syscall.RawConn) (s Socket) {
	ask := func(fd uintptr, request uint) uint64 {
		n, err := unix.IoctlGetInt(int(fd), request)
		if err != nil {
			return 0
		}
		return uint64(max(n, 0))
	}
	_ = raw.Control(func(fd uintptr) { // fails only when closed
		s = Socket{Unacked: ask(fd, unix.SIOCOUTQ), Unread: ask(fd, unix.SIOCINQ)}
	})
	return s
}
