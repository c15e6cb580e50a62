package wire

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// sendBatch is what goes out by UDP. While it is held, what is sent gathers, and
// goes out by one system call when nobody holds it any more.
type sendBatch struct {
	socket packetIO
	// refused is told of a datagram that the network does not take; it must not
	// wait. nil tells nobody.
	refused func(b []byte)

	mu    sync.Mutex
	held  int
	count int // of those that wait
	text  [batch][]byte
	to    [batch]netip.AddrPort
}

// Hold gathers what is sent until release was called as often.
func (m *sendBatch) Hold() {
	m.mu.Lock()
	m.held++
	m.mu.Unlock()
}

func (m *sendBatch) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held--; m.held == 0 {
		m.flush()
	}
}

// Send copies b and does not wait.
func (m *sendBatch) Send(b []byte, to netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == batch {
		m.flush()
	}
	m.text[m.count], m.to[m.count] = append(m.text[m.count][:0], b...), to
	m.count++
	if m.held == 0 {
		m.flush()
	}
}

// flush sends what waits. What one destination refuses must not keep the
// others from theirs.
func (m *sendBatch) flush() {
	for from := 0; from < m.count; {
		n, err := m.socket.write(m.text[from:m.count], m.to[from:m.count])
		if err != nil {
			if n = 1; m.refused != nil && !errors.Is(err, net.ErrClosed) {
				m.refused(bytes.Clone(m.text[from]))
			}
		}
		from += n
	}
	m.count = 0
}

// waiting counts who holds datagrams back, and the datagrams that wait.
func (m *sendBatch) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held + m.count
}
