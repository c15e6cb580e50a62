package wire

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

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
	control [16]uint64 // as bytes; so it is aligned
	waited  time.Duration
	dropped uint32 // so far
}

// begin gives the kernel room for it.
func (q *queueing) begin(h *unix.Msghdr) {
	h.Control = (*byte)(unsafe.Pointer(&q.control))
	h.SetControllen(int(unsafe.Sizeof(q.control)))
}

// end reads it.
func (q *queueing) end(h *unix.Msghdr, now time.Time) {
	const head = unix.SizeofCmsghdr
	q.waited = 0
	room := unsafe.Slice((*byte)(unsafe.Pointer(&q.control)), unsafe.Sizeof(q.control))
	for b := room[:min(int(h.Controllen), len(room))]; len(b) >= head; {
		c := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
		if c.Len < head || c.Len > uint64(len(b)) {
			return
		}
		switch data := b[head:c.Len]; {
		case c.Level != unix.SOL_SOCKET:
		case c.Type == unix.SO_TIMESTAMPNS && len(data) >= 16:
			sec, nsec := int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:]))
			q.waited = max(now.Sub(time.Unix(sec, nsec)), 0)
		case c.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			q.dropped = binary.NativeEndian.Uint32(data)
		}
		b = b[min(unix.CmsgSpace(int(c.Len)-head), len(b)):]
	}
}
