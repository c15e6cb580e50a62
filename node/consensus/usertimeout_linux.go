package consensus

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/nowait"
)

// giveUpAfter lets the kernel end the connection when what was sent is not
// acknowledged for d. In a silent cut Raft would wait ten times as long, and as
// long again after the heal.
func giveUpAfter(conn net.Conn, d time.Duration) {
	control(conn, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}

// octetsMoved is how many the other side has acknowledged and sent.
func octetsMoved(conn net.Conn) (n uint64) {
	control(conn, func(fd int) {
		if info, err := nowait.TCPInfo(fd); err == nil {
			n = info.Bytes_acked + info.Bytes_received
		}
	})
	return n
}

// control calls fn with the descriptor of a TCP connection, also of one inside TLS.
func control(conn net.Conn, fn func(fd int)) {
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
	_ = raw.Control(func(fd uintptr) { fn(int(fd)) })
}
