package sip

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/ipv4"
)

// mail is what the proxy sends by UDP. While it is held, what is sent gathers,
// and goes out by one system call when nobody holds it any more.
type mail struct {
	pc *ipv4.PacketConn
	// refused is told of a datagram that the network does not take; it must not
	// wait. nil tells nobody.
	refused func(b []byte)

	mu    sync.Mutex
	held  int
	count int // of those that wait
	out   [batch]ipv4.Message
	addrs [batch]net.UDPAddr
}

func newMail(pc *ipv4.PacketConn) *mail {
	m := &mail{pc: pc}
	for i := range m.out {
		m.out[i].Buffers, m.out[i].Addr = make([][]byte, 1), &m.addrs[i]
	}
	return m
}

// hold gathers what is sent until release was called as often.
func (m *mail) hold() {
	m.mu.Lock()
	m.held++
	m.mu.Unlock()
}

func (m *mail) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held--; m.held == 0 {
		m.flush()
	}
}

// send copies b and does not wait.
func (m *mail) send(b []byte, to netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == len(m.out) {
		m.flush()
	}
	i := m.count
	m.count++
	m.out[i].Buffers[0] = append(m.out[i].Buffers[0][:0], b...)
	a := &m.addrs[i]
	a.Port, a.Zone = int(to.Port()), to.Addr().Zone()
	if ip := to.Addr().Unmap(); ip.Is4() {
		four := ip.As4()
		a.IP = append(a.IP[:0], four[:]...)
	} else {
		sixteen := ip.As16()
		a.IP = append(a.IP[:0], sixteen[:]...)
	}
	if m.held == 0 {
		m.flush()
	}
}

// flush sends what waits. What one destination refuses must not keep the
// others from theirs.
func (m *mail) flush() {
	for out := m.out[:m.count]; len(out) > 0; {
		n, err := m.pc.WriteBatch(out, 0)
		if err != nil && n <= 0 {
			if n = 1; m.refused != nil && !errors.Is(err, net.ErrClosed) {
				m.refused(bytes.Clone(out[0].Buffers[0]))
			}
		}
		out = out[n:]
	}
	m.count = 0
}
