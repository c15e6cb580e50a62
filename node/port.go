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

	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/intake"
	"github.com/sipcluster/sipcluster/node/tcontroller"
	streams "github.com/sipcluster/sipcluster/sip/peer"
)

// clusterPort is the one port for all that nodes say to each other over TCP: a
// connection opens with the HTTP/2 preface (gRPC: links, forwarded writes, joins),
// with raftPreamble, or with sipPreamble. Each is inside mutual TLS with the nodes' own
// keys, and serves the protocol (ALPN) that it was opened for; in a cluster that asks
// nobody who he is, it is in clear, or under the key that all share.
type clusterPort struct {
	ln       net.Listener
	identity *identity.Identity // nil: nobody is asked who he is
	key      *clusterKey        // then, of a cluster with one secret for all; nil: in clear
	fabric   *fabric
	self     self
	known    known
	log      *slog.Logger

	raft, grpc, join, sip *handover
}

const (
	// All openings have 8 bytes.
	grpcPreamble = "PRI * HT"
	raftPreamble = "sipcRAFT"
	sipPreamble  = "sipcSIP\x00"
	// openTimeout bounds TLS handshake and opening of a connection.
	openTimeout = 3 * time.Second
	// maxOpening bounds the connections that have not said what they are, of one
	// source maxOpeningEach.
	maxOpening, maxOpeningEach = 256, 64
	// leastOpening is for a node that comes back: it opens a dozen at once.
	leastOpening = 16
)

func listenCluster(addr string, id *identity.Identity, key *clusterKey, f *fabric, who self, log *slog.Logger) (*clusterPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cluster address %s: %w: choose another --cluster-addr", addr, err)
	}
	return &clusterPort{
		ln: ln, identity: id, key: key, fabric: f, self: who, log: log,
		raft: newHandover(ln.Addr()), grpc: newHandover(ln.Addr()), join: newHandover(ln.Addr()), sip: newHandover(ln.Addr()),
	}, nil
}

// run accepts until the context ends.
func (p *clusterPort) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.ln.Close() })
	defer stop()
	defer p.close()
	var wg sync.WaitGroup
	defer wg.Wait()
	all := max(intake.Share(maxOpening, intake.OpeningPart), leastOpening)
	opening := &intake.Crowd{Most: all, Each: min(maxOpeningEach, all/2)}
	failing := lasting.New(p.log, slog.LevelWarn, "the cluster port accepts no connection", "the cluster port accepts connections again")
	for {
		conn, err := p.ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			failing.Met("err", err)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // out of file descriptors, say
			}
			continue
		}
		failing.Over()
		leave := opening.Enter(conn)
		wg.Go(func() {
			defer leave()
			p.open(ctx, conn)
		})
	}
}

func (p *clusterPort) close() {
	_ = p.ln.Close()
	for _, h := range []*handover{p.raft, p.grpc, p.join, p.sip} {
		_ = h.Close()
	}
}

// open finds out what a connection is for and hands it on.
func (p *clusterPort) open(ctx context.Context, conn net.Conn) {
	tcp := conn.(*net.TCPConn)
	stop := context.AfterFunc(ctx, func() { _ = tcp.SetDeadline(time.Now()) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(openTimeout))
	conn = streams.NewSocket(tcp)
	to, err := p.sort(&conn)
	if err == nil && to == nil {
		_ = p.answerWho(conn)
		return
	}
	if err == nil {
		if to == p.grpc {
			conn, err = tcontroller.Timed(conn, tcp)
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

// sort returns to whom a connection belongs, nil when it asks who is there.
func (p *clusterPort) sort(conn *net.Conn) (*handover, error) {
	protocol := ""
	switch {
	case p.identity != nil:
		secured := tls.Server(*conn, p.identity.Server())
		if err := secured.Handshake(); err != nil {
			return nil, err
		}
		protocol = secured.ConnectionState().NegotiatedProtocol
		known, err := p.know(*conn, secured)
		if err != nil {
			return nil, err
		}
		*conn = known
	case p.key != nil:
		*conn = tls.Server(*conn, p.key.server)
	}
	var head [8]byte
	if _, err := io.ReadFull(*conn, head[:]); err != nil {
		return nil, err
	}
	switch opening := string(head[:]); {
	case opening == grpcPreamble && (protocol == identity.GRPC || protocol == ""):
		*conn = &prefixed{Conn: *conn, head: head[:]}
		return p.grpc, nil
	case opening == grpcPreamble && protocol == identity.Join:
		*conn = &prefixed{Conn: *conn, head: head[:]}
		return p.join, nil
	case opening == whoPreamble && (protocol == identity.Join || protocol == ""):
		return nil, nil
	case opening == raftPreamble && (protocol == identity.Raft || protocol == ""):
		return p.raft, nil
	case opening == sipPreamble && (protocol == identity.SIP || protocol == ""):
		return p.sip, nil
	}
	return nil, fmt.Errorf("opening %q of protocol %q", head, protocol)
}

// dial connects to the cluster port of the node of that id for gRPC. ECONNREFUSED
// is left in the error.
func (p *clusterPort) dial(ctx context.Context, id, addr string) (net.Conn, error) {
	conn, err := p.fabric.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if tcp := intake.Below(conn); tcp != nil {
		if conn, err = tcontroller.Timed(conn, tcp); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if p.identity == nil && p.key != nil {
		secured := tls.Client(conn, p.key.client)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%w: do both nodes have the same cluster key?", err)
		}
		return secured, nil
	}
	return p.secure(ctx, conn, identity.GRPC, id)
}

// dialRaft connects to the cluster port of the node of that id for Raft.
func (p *clusterPort) dialRaft(ctx context.Context, id, addr string) (net.Conn, error) {
	return p.dialFor(ctx, id, addr, identity.Raft, raftPreamble)
}

// dialSIP connects to the cluster port of the node of that id for SIP.
func (p *clusterPort) dialSIP(ctx context.Context, id, addr string) (net.Conn, error) {
	return p.dialFor(ctx, id, addr, identity.SIP, sipPreamble)
}

// dialFor connects for a protocol other than gRPC.
func (p *clusterPort) dialFor(ctx context.Context, id, addr, protocol, preamble string) (net.Conn, error) {
	conn, err := p.fabric.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(*cuttable); ok && protocol == identity.SIP {
		c.Conn = streams.NewSocket(c.Conn.(*net.TCPConn))
	}
	if p.identity == nil && p.key != nil {
		conn = tls.Client(conn, p.key.client)
	} else if conn, err = p.secure(ctx, conn, protocol, id); err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(openTimeout))
	if _, err := conn.Write([]byte(preamble)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// secure makes sure that the node of that id is at the other end, and keeps what it
// says from others; where nobody is asked who he is, it does nothing. A connection
// that it refuses is closed.
func (p *clusterPort) secure(ctx context.Context, conn net.Conn, protocol, id string) (net.Conn, error) {
	if p.identity == nil {
		return conn, nil
	}
	if _, known := p.identity.Trust().Keys[id]; !known {
		_ = conn.Close()
		return nil, identity.NotOnRoster // nobody has claimed to be it
	}
	secured := tls.Client(conn, p.identity.Client(protocol, id))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	known, err := p.know(conn, secured)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return known, nil
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
