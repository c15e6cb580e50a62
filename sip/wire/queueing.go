package wire

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// receiveBuffer is how many bytes may wait to be read: a burst of phones must not be lost
// while one batch is served.
const receiveBuffer = 4 << 20

// makeRoom asks for receiveBuffer, and returns what the kernel gave: without the right to
// force it not more than net.core.rmem_max.
func makeRoom(fd int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	given, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return given / 2 // the kernel doubles it for what it needs itself
}

// tellQueueing has the kernel tell of each datagram when it came, and how many before it
// had no room (socket(7)).
func tellQueueing(fd int) error {
	return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1))
}

// queueing reads what the kernel tells of the first datagram of a batch. Nobody asks about
// the others: they came later.
type queueing struct {
	control controls
	waited  time.Duration
	dropped uint32 // so far
}

// begin gives the kernel room for it.
func (q *queueing) begin(h *unix.Msghdr) {
	q.control.give(h, len(q.control.bytes()))
}

// end reads it.
func (q *queueing) end(h *unix.Msghdr, now time.Time) {
	q.waited = 0
	q.control.each(h, func(level, kind int32, data []byte) {
		switch {
		case level != unix.SOL_SOCKET:
		case kind == unix.SO_TIMESTAMPNS && len(data) >= 16:
			sec, nsec := int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:]))
			q.waited = max(now.Sub(time.Unix(sec, nsec)), 0)
		case kind == unix.SO_RXQ_OVFL && len(data) >= 4:
			q.dropped = binary.NativeEndian.Uint32(data)
		}
	})
}
