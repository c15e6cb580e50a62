// Package port is the cluster port: the one for all that nodes say to each other over TCP,
// at both ends. It knows who is at the other end and what a connection is for, and nothing
// of what is said there. Made by node; consensus, links, the entrance and SIP between nodes
// get their connections from it.
package port

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

// Port is the one port for all that nodes say to each other over TCP: a
// connection opens with the HTTP/2 preface (gRPC: links, forwarded writes, joins),
// with raftPreamble, or with sipPreamble. Each is inside mutual TLS with the nodes' own
// keys, and serves the protocol (ALPN) that it was opened for; in a cluster that asks
// nobody who he is, it is in clear, or under the key that all share.
type Port struct {
	*Dialer
	// Self is who answers.
	Self Self
	// Raft, GRPC, Join and SIP accept the connections for each.
	Raft, GRPC, Join, SIP *intake.Handover

	ln  net.Listener
	log *slog.Logger
}

const (
	// All openings have 8 bytes.
	grpcPreamble = "PRI * HT"
	raftPreamble = "sipcRAFT"
	sipPreamble  = "sipcSIP\x00"
	// OpenTimeout bounds TLS handshake and opening of a connection.
	OpenTimeout = 3 * time.Second
	// maxOpening bounds the connections that have not said what they are, of one
	// source maxOpeningEach.
	maxOpening, maxOpeningEach = 256, 64
	// leastOpening is for a node that comes back: it opens a dozen at once.
	leastOpening = 16
)

// Listen opens the port of who; Run serves it.
func Listen(addr string, d *Dialer, who Self, log *slog.Logger) (*Port, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cluster address %s: %w: choose another --cluster-addr", addr, err)
	}
	return &Port{
		Dialer: d, Self: who, ln: ln, log: log,
		Raft: intake.NewHandover(ln.Addr()), GRPC: intake.NewHandover(ln.Addr()), Join: intake.NewHandover(ln.Addr()), SIP: intake.NewHandover(ln.Addr()),
	}, nil
}

// Run accepts until the context ends.
func (p *Port) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.ln.Close() })
	defer stop()
	defer p.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	all := max(intake.Share(maxOpening, intake.OpeningPart), leastOpening)
	opening := &intake.Crowd{Most: all, Each: min(maxOpeningEach, all/2)}
	failing := lasting.New(p.log, slog.LevelWarn, "the cluster port accepts no connection", "the cluster port accepts connections again")
	for {
		conn, err := p.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close() // who dialled would wait for an answer
			}
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

// Close ends what accepts connections.
func (p *Port) Close() {
	_ = p.ln.Close()
	for _, h := range []*intake.Handover{p.Raft, p.GRPC, p.Join, p.SIP} {
		_ = h.Close()
	}
}

// open finds out what a connection is for and hands it on.
func (p *Port) open(ctx context.Context, conn net.Conn) {
	tcp := conn.(*net.TCPConn)
	_ = conn.SetDeadline(time.Now().Add(OpenTimeout))
	stop := context.AfterFunc(ctx, func() { _ = tcp.SetDeadline(time.Now()) })
	defer stop()
	conn = streams.NewSocket(tcp)
	to, err := p.sort(&conn)
	if err == nil && to == nil {
		_ = p.answerWho(conn)
		return
	}
	if err == nil {
		if to == p.GRPC {
			conn, err = tcontroller.Timed(conn, tcp)
		}
		err = errors.Join(err, conn.SetDeadline(time.Time{}))
	}
	if err != nil {
		p.log.Debug("cluster port: closed a connection with an unknown preamble", "from", conn.RemoteAddr(), "err", err)
		_ = conn.Close()
		return
	}
	to.Give(ctx, conn)
}

// sort returns to whom a connection belongs, nil when it asks who is there.
func (p *Port) sort(conn *net.Conn) (*intake.Handover, error) {
	protocol := ""
	switch {
	case p.Identity != nil:
		secured := tls.Server(*conn, p.Identity.Server())
		if err := secured.Handshake(); err != nil {
			return nil, err
		}
		protocol = secured.ConnectionState().NegotiatedProtocol
		known, err := p.know(*conn, secured)
		if err != nil {
			return nil, err
		}
		*conn = known
	case p.Key != nil:
		*conn = tls.Server(*conn, p.Key.server)
	}
	var head [8]byte
	if _, err := io.ReadFull(*conn, head[:]); err != nil {
		return nil, err
	}
	switch opening := string(head[:]); {
	case opening == grpcPreamble && (protocol == identity.GRPC || protocol == ""):
		*conn = intake.PutBack(*conn, head[:])
		return p.GRPC, nil
	case opening == grpcPreamble && protocol == identity.Join:
		*conn = intake.PutBack(*conn, head[:])
		return p.Join, nil
	case opening == whoPreamble && (protocol == identity.Join || protocol == ""):
		return nil, nil
	case opening == raftPreamble && (protocol == identity.Raft || protocol == ""):
		return p.Raft, nil
	case opening == sipPreamble && (protocol == identity.SIP || protocol == ""):
		return p.SIP, nil
	}
	return nil, fmt.Errorf("opening %q of protocol %q", head, protocol)
}
