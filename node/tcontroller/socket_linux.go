package tcontroller

import (
	"net"
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
