package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// clusterPort is the one port for all that nodes say to each other over TCP: a
// connection opens with the HTTP/2 preface (gRPC: links, join, forwarded writes)
// or with raftPreamble. With a cluster key both are inside mutual TLS.
type clusterPort struct {
	ln     net.Listener
	key    *clusterKey // nil: in clear
	fabric *fabric
	log    *slog.Logger

	raft, grpc *handover
}

const (
	// Both openings have 8 bytes.
	grpcPreamble = "PRI * HT"
	raftPreamble = "sipcRAFT"
	// openTimeout bounds TLS handshake and opening of a connection.
	openTimeout = 3 * time.Second
	// maxOpening bounds the connections that have not said what they are.
	maxOpening = 256
)

func listenCluster(addr string, key *clusterKey, f *fabric, log *slog.Logger) (*clusterPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cluster address %s: %w: choose another --cluster-addr", addr, err)
	}
	return &clusterPort{ln: ln, key: key, fabric: f, log: log, raft: newHandover(ln.Addr()), grpc: newHandover(ln.Addr())}, nil
}

// run accepts until the context ends.
func (p *clusterPort) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.ln.Close() })
	defer stop()
	defer p.close()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxOpening)
	for {
		conn, err := p.ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			p.log.Warn("cluster port", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // out of file descriptors, say
			}
			continue
		}
		select {
		case slots <- struct{}{}:
			wg.Go(func() { p.open(ctx, conn); <-slots })
		default:
			_ = conn.Close()
		}
	}
}

func (p *clusterPort) close() {
	_ = p.ln.Close()
	p.raft.Close()
	p.grpc.Close()
}

// open finds out what a connection is for and hands it on.
func (p *clusterPort) open(ctx context.Context, conn net.Conn) {
	tcp := conn.(*net.TCPConn)
	stop := context.AfterFunc(ctx, func() { _ = tcp.SetDeadline(time.Now()) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(openTimeout))
	to, err := p.sort(&conn)
	if err == nil {
		if to == p.grpc {
			err = tcontroller.SetUserTimeout(tcp)
		}
		err = errors.Join(err, conn.SetDeadline(time.Time{}))
	}
	if err != nil {
		p.log.Debug("cluster port: closed a connection with an unknown preamble", "from", conn.RemoteAddr(), "err", err)
		_ = conn.Close()
		return
	}
	to.give(ctx, conn)
}

func (p *clusterPort) sort(conn *net.Conn) (*handover, error) {
	if p.key != nil {
		*conn = tls.Server(*conn, p.key.server)
	}
	var head [8]byte
	if _, err := io.ReadFull(*conn, head[:]); err != nil {
		return nil, err
	}
	switch string(head[:]) {
	case grpcPreamble:
		*conn = &prefixed{Conn: *conn, head: head[:]}
		return p.grpc, nil
	case raftPreamble:
		return p.raft, nil
	}
	return nil, fmt.Errorf("opening %q", head)
}

// dial connects to another node's cluster port for gRPC. ECONNREFUSED is left
// in the error.
func (p *clusterPort) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := p.fabric.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*cuttable).Conn.(*net.TCPConn); ok {
		if err := tcontroller.SetUserTimeout(tcp); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if p.key == nil {
		return conn, nil
	}
	secured := tls.Client(conn, p.key.client)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: do both nodes have the same cluster key?", err)
	}
	return secured, nil
}

// dialRaft connects to another node's cluster port for Raft.
func (p *clusterPort) dialRaft(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := p.fabric.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if p.key != nil {
		conn = tls.Client(conn, p.key.client)
	}
	_ = conn.SetDeadline(time.Now().Add(openTimeout))
	if _, err := conn.Write([]byte(raftPreamble)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// prefixed gives back what was read to sort it.
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

// handover is a net.Listener that is given its connections.
type handover struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandover(addr net.Addr) *handover {
	return &handover{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (h *handover) give(ctx context.Context, c net.Conn) {
	select {
	case h.conns <- c:
		return
	case <-h.closed:
	case <-ctx.Done():
	}
	_ = c.Close()
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *handover) Addr() net.Addr { return h.addr }
