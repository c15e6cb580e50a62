package sip

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// lines connect the servers of a test, as their cluster ports do.
type lines struct {
	pair func() (ours, theirs net.Conn, err error)

	mu      sync.Mutex
	servers map[dn.Node]*Server
	open    []*tracked // the oldest first
	isCut   bool
}

// newLines makes lines of loopback connections.
func newLines() *lines { return &lines{pair: loopbackPair, servers: map[dn.Node]*Server{}} }

func loopbackPair() (ours, theirs net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if theirs, err = l.Accept(); err != nil {
		return nil, nil, err
	}
	return peer.NewSocket(ours.(*net.TCPConn)), peer.NewSocket(theirs.(*net.TCPConn)), nil
}

// sealedPair makes loopback connections inside TLS, as a cluster whose nodes have keys does.
func sealedPair(t testing.TB) func() (ours, theirs net.Conn, err error) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, public, private)
	if err != nil {
		t.Fatal(err)
	}
	own := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, InsecureSkipVerify: true}
	return func() (net.Conn, net.Conn, error) {
		ours, theirs, err := loopbackPair()
		if err != nil {
			return nil, nil, err
		}
		return tls.Client(ours, own), tls.Server(theirs, own), nil
	}
}

func memoryPair() (ours, theirs net.Conn, err error) {
	ours, theirs = net.Pipe()
	return ours, theirs, nil
}

// dial is a Config.DialPeer.
func (l *lines) dial(_ context.Context, to dn.Node) (net.Conn, error) {
	l.mu.Lock()
	s := l.servers[to]
	if l.isCut {
		s = nil
	}
	l.mu.Unlock()
	if s == nil {
		return nil, errors.New("nobody is there")
	}
	ours, theirs, err := l.pair()
	if err != nil {
		return nil, err
	}
	go s.ServePeer(theirs, "")
	c := &tracked{Conn: ours, l: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, c)
	return c, nil
}

// tracked is a connection that the lines know until it is closed.
type tracked struct {
	net.Conn
	l       *lines
	stalled atomic.Pointer[chan struct{}] // writes wait until it is closed; nil for none
}

// Write implements net.Conn.
func (c *tracked) Write(b []byte) (int, error) {
	if s := c.stalled.Load(); s != nil {
		<-*s
	}
	return c.Conn.Write(b)
}

// stall has the oldest stream take nothing, until the returned function is called.
func (l *lines) stall() (goOn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, s := l.open[0], make(chan struct{})
	c.stalled.Store(&s)
	return func() {
		c.stalled.Store(nil)
		close(s)
	}
}

// NetConn is the connection below.
func (c *tracked) NetConn() net.Conn { return c.Conn }

// Close implements net.Conn.
func (c *tracked) Close() error {
	c.l.mu.Lock()
	c.l.open = slices.DeleteFunc(c.l.open, func(o *tracked) bool { return o == c })
	c.l.mu.Unlock()
	return c.Conn.Close()
}

// end ends so many streams, the oldest first.
func (l *lines) end(n int) {
	l.mu.Lock()
	open := slices.Clone(l.open[:min(n, len(l.open))])
	l.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

// cut ends all streams, and lets no other be until it is undone.
func (l *lines) cut(is bool) {
	l.mu.Lock()
	l.isCut = is
	n := len(l.open)
	l.mu.Unlock()
	if is {
		l.end(n)
	}
}

// serve has a server be reached; nil has nobody there.
func (l *lines) serve(id dn.Node, s *Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers[id] = s
}

// stand waits until all streams between servers do.
func (l *lines) stand(t testing.TB, worlds ...*world) {
	t.Helper()
	until(t, "all streams between the nodes stand", func() bool { return l.standing(worlds...) == nil })
}

// standing says what is missing.
func (l *lines) standing(worlds ...*world) error {
	for _, w := range worlds {
		for _, o := range worlds {
			if n := w.server.peers.Standing()[o.table.Self()]; o != w && n < peer.Streams {
				return fmt.Errorf("%d streams of %s to %s stand", n, w.table.Self(), o.table.Self())
			}
		}
	}
	return nil
}

// tap notes what passes to other nodes, and may keep it.
type tap struct {
	wire.Peers
	// pass is told of each message; false has it lost.
	pass func(to dn.Node, b []byte, send func()) bool
}

// Send implements wire.Peers.
func (x *tap) Send(to dn.Node, group uint16, b []byte) error {
	if !x.Stands(to) {
		return x.Peers.Send(to, group, b)
	}
	own := append([]byte(nil), b...)
	if x.pass(to, own, func() { _ = x.Peers.Send(to, group, own) }) {
		return x.Peers.Send(to, group, b)
	}
	return nil
}
