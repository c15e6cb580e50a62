package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// What the network adds to what a connection is given to write: a record of TLS 1.3 with each
// write (RFC 8446 section 5.2), the headers of IPv4 and of TCP with time stamps with each
// segment, and an acknowledgement for each second one.
const (
	tlsRecord   = 5 + 1 + 16
	tlsMost     = 16 << 10
	headers     = 20 + 32
	segmentMost = 1500 - headers
)

// onWire is how many octets a write of n is on the line, there and in acknowledgements back.
func onWire(n int) (there, back int) {
	n += tlsRecord * ((n + tlsMost - 1) / tlsMost)
	segments := (n + segmentMost - 1) / segmentMost
	return n + headers*segments, headers * ((segments + 1) / 2)
}

// line is the way of one node's link to another node: a net.Listener of the other end.
type line struct {
	ln *bufconn.Listener
	// octets on the wire, both ways together: on the line between two nodes there are two
	// links, each of one of them, so that is what goes each way.
	octets atomic.Int64
	cut    atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

func newLine() *line { return &line{ln: bufconn.Listen(1 << 20)} }

// dial opens a connection; none is answered while the line is cut.
func (l *line) dial(ctx context.Context) (net.Conn, error) {
	if l.cut.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := l.ln.DialContext(ctx)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	l.mu.Lock()
	l.conns = append(l.conns, conn)
	l.mu.Unlock()
	return &counted{Conn: conn, line: l}, nil
}

// Accept implements net.Listener.
func (l *line) Accept() (net.Conn, error) {
	conn, err := l.ln.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{Conn: conn, line: l}, nil
}

// Close implements net.Listener.
func (l *line) Close() error { return l.ln.Close() }

// Addr implements net.Listener.
func (l *line) Addr() net.Addr { return l.ln.Addr() }

// sever cuts the line: nothing arrives any more, and the kernel gives the connections up when
// what was sent is not acknowledged for UserTimeout: a ping, which may be 100 ms later.
func (l *line) sever() {
	l.cut.Store(true)
	l.mu.Lock()
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	time.AfterFunc(100*time.Millisecond+tcontroller.UserTimeout, func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
}

func (l *line) mend() { l.cut.Store(false) }

// counted is an end of a connection.
type counted struct {
	net.Conn
	line *line
}

// Write implements net.Conn.
func (c *counted) Write(b []byte) (int, error) {
	if c.line.cut.Load() {
		return len(b), nil // lost on the way
	}
	there, back := onWire(len(b))
	c.line.octets.Add(int64(there + back))
	return c.Conn.Write(b)
}
