package tcontroller

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/nowait"
)

// measureSocket asks the kernel (SIOCOUTQ, SIOCINQ: tcp(7)). A connection that
// was closed has nothing.
func measureSocket(raw syscall.RawConn) (s Socket) {
	ask := func(fd uintptr, request uint) uint64 {
		n, err := nowait.Asked(int(fd), request)
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
