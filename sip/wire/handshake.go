package wire

import (
	"container/list"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// HandshakeTime is how long a phone may take for TLS and the WebSocket's upgrade.
	HandshakeTime = 5 * time.Second
	// maxHandshakes may be on their way at a time. One more ends the oldest:
	// it is the one that is most likely to be silent.
	maxHandshakes = 512
	// closingTime is how long the last thing said may take, when the other side
	// does not read.
	closingTime = 200 * time.Millisecond
)

// handshakes is a listener whose connections are past their handshakes. They
// shake hands side by side, so that nobody waits for somebody silent.
type handshakes struct {
	net.Listener
	// shake makes of an accepted connection the one that SIP is spoken over.
	shake func(net.Conn) (net.Conn, error)
	limit int
	log   *slog.Logger

	begin sync.Once
	ready chan net.Conn
	done  chan struct{} // by Close
	all   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	pending list.List // of net.Conn, the oldest first
}

func newHandshakes(l net.Listener, shake func(net.Conn) (net.Conn, error), log *slog.Logger) *handshakes {
	return &handshakes{Listener: l, shake: shake, limit: maxHandshakes, log: log, ready: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (h *handshakes) Accept() (net.Conn, error) {
	h.begin.Do(h.start)
	select {
	case c := <-h.ready:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handshakes) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.all.Go(h.run)
	}
}

func (h *handshakes) run() {
	for {
		c, err := accept(h.Listener, h.log)
		if err != nil {
			return
		}
		if e := h.enter(c); e != nil {
			h.all.Go(func() { h.serve(e, c) })
		}
	}
}

// accept takes the next connection; an error says that the listener is closed.
func accept(l net.Listener, log *slog.Logger) (net.Conn, error) {
	for {
		c, err := l.Accept()
		if err == nil || IsClosed(err) {
			return c, err
		}
		// Out of descriptors, or the peer went away: others may come.
		log.Warn("cannot accept a SIP connection", "err", err)
		<-time.After(10 * time.Millisecond)
	}
}

// enter notes a connection that begins its handshake.
func (h *handshakes) enter(c net.Conn) *list.Element {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		c.Close()
		return nil
	}
	if h.pending.Len() >= h.limit {
		oldest := h.pending.Front()
		h.pending.Remove(oldest)
		oldest.Value.(net.Conn).Close()
	}
	return h.pending.PushBack(c)
}

// leave forgets a connection that is past its handshake.
func (h *handshakes) leave(e *list.Element) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending.Remove(e)
}

func (h *handshakes) serve(e *list.Element, raw net.Conn) {
	defer h.leave(e)
	_ = raw.SetDeadline(time.Now().Add(HandshakeTime))
	c, err := h.shake(raw)
	if err != nil {
		h.log.Debug("a SIP phone's handshake failed", "peer", raw.RemoteAddr().String(), "err", err)
		raw.Close()
		return
	}
	_ = raw.SetDeadline(time.Time{})
	select {
	case h.ready <- c:
	case <-h.done:
		c.Close()
	}
}

// Close implements net.Listener. It ends the handshakes that are on their way,
// and returns when they have ended.
func (h *handshakes) Close() error {
	defer h.all.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	close(h.done)
	for e := h.pending.Front(); e != nil; e = e.Next() {
		e.Value.(net.Conn).Close()
	}
	return h.Listener.Close()
}

// tcpOf is the connection beneath TLS and WebSocket; nil when it is no TCP.
func tcpOf(c net.Conn) *net.TCPConn {
	for {
		switch x := c.(type) {
		case *net.TCPConn:
			return x
		case interface{ NetConn() net.Conn }:
			c = x.NetConn()
		default:
			return nil
		}
	}
}

// farewell lets the other side read what was said last: to close a connection
// that has unread bytes would take it back.
func farewell(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(closingTime))
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	buf := make([]byte, 4096)
	for range 64 {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func (h *handshakes) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pending.Len()
}
