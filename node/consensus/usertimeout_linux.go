package consensus

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// giveUpAfter lets the kernel end the connection when what was sent is not
// acknowledged for d. In a silent cut Raft would wait ten times as long, and as
// long again after the heal.
func giveUpAfter(conn net.Conn, d time.Duration) {
	for {
		wrapped, ok := conn.(interface{ NetConn() net.Conn }) // tls.Conn
		if !ok {
			break
		}
		conn = wrapped.NetConn()
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}
