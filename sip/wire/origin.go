package wire

import (
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/recent"
)

// maxOrigins is how many others are remembered at least that have called an address of
// this host.
const maxOrigins = 1 << 15

// origins are the addresses of this host that others have called, of a socket that is bound
// to all of them: what goes to somebody comes from there (RFC 3581 §4). The kernel would
// take the one that it likes best on the way, which a NAT, or a phone that has connected its
// socket, does not let in. Whoever was not heard gets that one.
type origins struct {
	in [batch]controls

	mu     sync.Mutex
	called recent.Map[netip.AddrPort, netip.Addr]
}

// controls is room for the control messages of a datagram.
type controls [16]uint64 // as bytes; so it is aligned

func (c *controls) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(*c))
}

// give has the kernel use it.
func (c *controls) give(h *unix.Msghdr, size int) {
	h.Control = (*byte)(unsafe.Pointer(c))
	h.SetControllen(size)
}

// each goes through the control messages that the kernel has written.
func (c *controls) each(h *unix.Msghdr, f func(level, kind int32, data []byte)) {
	const head = unix.SizeofCmsghdr
	for b := c.bytes()[:min(int(h.Controllen), len(c.bytes()))]; len(b) >= head; {
		m := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
		if m.Len < head || m.Len > uint64(len(b)) {
			return
		}
		f(m.Level, m.Type, b[head:m.Len])
		b = b[min(unix.CmsgSpace(int(m.Len)-head), len(b)):]
	}
}

// newOrigins has the kernel tell which address each datagram was sent to; nil when the
// socket has one only.
func newOrigins(fd int, six bool, bound netip.Addr) (*origins, error) {
	if !bound.IsUnspecified() {
		return nil, nil
	}
	o := &origins{called: recent.NewMap[netip.AddrPort, netip.Addr](maxOrigins)}
	if six {
		return o, unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return o, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1)
}

// came notes what a datagram's control messages say of the address that was called.
func (o *origins) came(c *controls, h *unix.Msghdr, from netip.AddrPort) {
	c.each(h, func(level, kind int32, data []byte) {
		var called netip.Addr
		switch {
		case level == unix.SOL_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			called = netip.AddrFrom16([16]byte(data)).Unmap()
		case level == unix.SOL_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			called = netip.AddrFrom4([4]byte(data[4:])) // the local one of the two
		}
		if called.IsValid() && !called.IsMulticast() && !called.IsUnspecified() {
			o.note(from, called)
		}
	})
}

func (o *origins) note(from netip.AddrPort, called netip.Addr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.called.Put(from, called)
}

// of is the address that somebody has called; the zero Addr for nobody.
func (o *origins) of(to netip.AddrPort) netip.Addr {
	o.mu.Lock()
	defer o.mu.Unlock()
	a, _ := o.called.Get(to)
	return a
}

// forget drops an address that this host does not have any more.
func (o *origins) forget(to netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.called.Delete(to)
}

// goes has a datagram that is sent come from the address that was called; c is room for that.
func (o *origins) goes(c *controls, h *unix.Msghdr, to netip.AddrPort, six bool) {
	from := o.of(to)
	if !from.IsValid() || from.Is4() != to.Addr().Unmap().Is4() {
		h.Control = nil
		h.SetControllen(0)
		return
	}
	*c = controls{}
	m, data := (*unix.Cmsghdr)(unsafe.Pointer(c)), c.bytes()[unix.SizeofCmsghdr:]
	size := unix.SizeofInet4Pktinfo
	if six {
		size = unix.SizeofInet6Pktinfo
		m.Level, m.Type = unix.SOL_IPV6, unix.IPV6_PKTINFO
		a := from.As16()
		copy(data, a[:])
	} else {
		m.Level, m.Type = unix.SOL_IP, unix.IP_PKTINFO
		a := from.As4()
		copy(data[4:], a[:])
	}
	m.SetLen(unix.CmsgLen(size))
	c.give(h, unix.CmsgSpace(size))
}
