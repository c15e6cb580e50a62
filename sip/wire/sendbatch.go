package wire

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// sendBatch is what goes out by UDP. While it is held, what is sent gathers, and
// goes out by one system call when nobody holds it any more; by some of them where several
// hands serve. What goes to one destination stays in its order.
type sendBatch struct {
	socket packetIO
	// refused is told of a datagram that the network does not take; it must not
	// wait. nil tells nobody.
	refused func(b []byte)

	held  atomic.Int64
	lanes []sendLane
}

// sendLane is what waits for some destinations.
type sendLane struct {
	mu    sync.Mutex
	out   outlet
	count int // of those that wait
	text  [batch][]byte
	to    [batch]netip.AddrPort
}

// newSendBatch makes one by which so many send at a time.
func newSendBatch(s packetIO, lanes int) *sendBatch {
	m := &sendBatch{socket: s, lanes: make([]sendLane, lanes)}
	for i := range m.lanes {
		m.lanes[i].out = s.outlet()
	}
	return m
}

// Hold gathers what is sent until Release was called as often.
func (m *sendBatch) Hold() { m.held.Add(1) }

// Release sends what was gathered, unless somebody else holds it.
func (m *sendBatch) Release() {
	if m.held.Add(-1) > 0 {
		return
	}
	for i := range m.lanes {
		l := &m.lanes[i]
		l.mu.Lock()
		l.flush(m.refused)
		l.mu.Unlock()
	}
}

// Send copies b and does not wait.
func (m *sendBatch) Send(b []byte, to netip.AddrPort) {
	l := m.lane(to)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == batch {
		l.flush(m.refused)
	}
	l.text[l.count], l.to[l.count] = append(l.text[l.count][:0], b...), to
	l.count++
	if m.held.Load() == 0 { // who holds it from now on releases it behind this
		l.flush(m.refused)
	}
}

// lane is that of a destination.
func (m *sendBatch) lane(to netip.AddrPort) *sendLane {
	if len(m.lanes) == 1 {
		return &m.lanes[0]
	}
	a := to.Addr().As16()
	h := uint32(to.Port())
	for _, c := range a[10:] { // an IPv4 address is mapped
		h = h*31 + uint32(c)
	}
	return &m.lanes[(h^h>>15)*0x9e3779b1>>16%uint32(len(m.lanes))]
}

// flush sends what waits. What one destination refuses must not keep the
// others from theirs.
func (l *sendLane) flush(refused func([]byte)) {
	for from := 0; from < l.count; {
		n, err := l.out.write(l.text[from:l.count], l.to[from:l.count])
		if err != nil {
			if n = 1; refused != nil && !errors.Is(err, net.ErrClosed) {
				refused(bytes.Clone(l.text[from]))
			}
		}
		from += n
	}
	l.count = 0
}

// waiting counts who holds datagrams back, and the datagrams that wait.
func (m *sendBatch) waiting() int {
	n := int(m.held.Load())
	for i := range m.lanes {
		l := &m.lanes[i]
		l.mu.Lock()
		n += l.count
		l.mu.Unlock()
	}
	return n
}
