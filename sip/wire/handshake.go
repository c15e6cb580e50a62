package wire

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/sip/source"
)

const (
	// HandshakeTime is how long a phone may take for TLS and the WebSocket's upgrade.
	HandshakeTime = 5 * time.Second
	// maxHandshakes may be on their way at a time. One more ends the oldest:
	// it is the one that is most likely to be silent. A source may have a part of them.
	maxHandshakes   = 512
	handshakesShare = 4
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
	// failing is said when no connection can be accepted.
	failing *lasting.Fault

	begin sync.Once
	ready chan net.Conn
	done  chan struct{} // by Close
	all   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	pending *crowd[net.Conn]
}

func newHandshakes(l net.Listener, shake func(net.Conn) (net.Conn, error), limit int, log *slog.Logger) *handshakes {
	return &handshakes{Listener: l, shake: shake, limit: limit, log: log, failing: notAccepting(log), pending: newCrowd[net.Conn](max(limit/handshakesShare, 1)), ready: make(chan net.Conn), done: make(chan struct{})}
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
		c, err := accept(h.Listener, h.failing)
		if err != nil {
			return
		}
		if p := h.enter(c); p != nil {
			h.all.Go(func() { h.serve(p, c) })
		}
	}
}

// notAccepting is the fault of a listener that is out of descriptors, say.
func notAccepting(log *slog.Logger) *lasting.Fault {
	return lasting.New(log, slog.LevelWarn, "no SIP connection can be accepted", "SIP connections can be accepted again")
}

// accept takes the next connection; an error says that the listener is closed.
func accept(l net.Listener, failing *lasting.Fault) (net.Conn, error) {
	for {
		c, err := l.Accept()
		if err == nil {
			failing.Over()
		}
		if err == nil {
			return waiting(c), nil
		}
		if IsClosed(err) {
			return nil, err
		}
		// Out of descriptors, or the peer went away: others may come.
		failing.Met("err", err)
		<-time.After(10 * time.Millisecond)
	}
}

// enter notes a connection that begins its handshake; nil when it may not.
func (h *handshakes) enter(c net.Conn) *place[net.Conn] {
	var from netip.Addr
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		from = source.Of(a.AddrPort().Addr())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old, full := h.pending.tooMany(from)
	switch {
	case h.closed || full && old == nil:
		cut(c)
		return nil
	case !full && h.pending.len() >= h.limit:
		old = h.pending.oldest()
	}
	if old != nil {
		h.pending.remove(old)
		cut(old.who)
	}
	return h.pending.add(from, c)
}

// leave forgets a connection that is past its handshake.
func (h *handshakes) leave(p *place[net.Conn]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending.remove(p)
}

func (h *handshakes) serve(p *place[net.Conn], raw net.Conn) {
	defer h.leave(p)
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
	for p := h.pending.oldest(); p != nil; p = h.pending.oldest() {
		h.pending.remove(p)
		cut(p.who)
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

// cut ends a connection without a word of TLS or WebSocket, which could wait.
func cut(c net.Conn) {
	if t := tcpOf(c); t != nil {
		t.Close()
		return
	}
	c.Close()
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
	return h.pending.len()
}
