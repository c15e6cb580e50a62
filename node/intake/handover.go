package intake

import (
	"context"
	"net"
	"sync"
)

// PutBack is a connection whose first bytes were read to sort it, and are read again.
func PutBack(conn net.Conn, head []byte) net.Conn { return &prefixed{conn, head} }

type prefixed struct {
	net.Conn
	head []byte
}

// NetConn is the connection below.
func (c *prefixed) NetConn() net.Conn { return c.Conn }

func (c *prefixed) Read(b []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(b, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Handover is a net.Listener that is given its connections.
type Handover struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewHandover returns one that is at an address.
func NewHandover(addr net.Addr) *Handover {
	return &Handover{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Give hands a connection to whoever accepts next; when nobody does any more it is closed.
func (h *Handover) Give(ctx context.Context, c net.Conn) {
	select {
	case h.conns <- c:
		return
	case <-h.closed:
	case <-ctx.Done():
	}
	_ = c.Close()
}

// Accept implements net.Listener.
func (h *Handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *Handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *Handover) Addr() net.Addr { return h.addr }
