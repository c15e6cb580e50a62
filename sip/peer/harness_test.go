package peer

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// site is some ports and what connects them.
type site struct {
	t     *testing.T
	pair  func() (ours, theirs net.Conn, err error)
	mu    sync.Mutex
	ports map[dn.Node]*Port
	dials int
	open  []net.Conn // the dialled ends, the oldest first
}

func newSite(t *testing.T, pair func() (ours, theirs net.Conn, err error)) *site {
	t.Helper()
	leftover.Check(t)
	return &site{t: t, pair: pair, ports: map[dn.Node]*Port{}}
}

// loopback is a connection of this machine.
func loopback() (ours, theirs net.Conn, err error) {
	ours, theirs, err = dialled()
	if err != nil {
		return nil, nil, err
	}
	return NewSocket(ours.(*net.TCPConn)), NewSocket(theirs.(*net.TCPConn)), nil
}

// dialled is one that Go's poller keeps.
func dialled() (ours, theirs net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	theirs, err = l.Accept()
	return ours, theirs, err
}

// sealed is one inside TLS.
func sealed(t *testing.T) func() (ours, theirs net.Conn, err error) {
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
	own := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}, InsecureSkipVerify: true}
	return func() (net.Conn, net.Conn, error) {
		ours, theirs, err := loopback()
		if err != nil {
			return nil, nil, err
		}
		return tls.Client(ours, own), tls.Server(theirs, own), nil
	}
}

func memory() (ours, theirs net.Conn, err error) {
	ours, theirs = net.Pipe()
	return ours, theirs, nil
}

func (s *site) dial(_ context.Context, to dn.Node) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	p := s.ports[to]
	if p == nil {
		return nil, errors.New("nobody is there")
	}
	ours, theirs, err := s.pair()
	if err != nil {
		return nil, err
	}
	go p.Serve(theirs, "")
	s.open = append(s.open, ours)
	return ours, nil
}

// end closes so many of the oldest connections.
func (s *site) end(n int) {
	s.mu.Lock()
	open := slices.Clone(s.open[:n])
	s.open = s.open[n:]
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

// node is a port that runs, and what has come to it.
type node struct {
	*Port
	t    *testing.T
	stop func()

	mu      sync.Mutex
	got     map[dn.Node][]string
	batches int
	changes int
}

// node makes a port with peers.
func (s *site) node(id dn.Node, peers ...dn.Node) *node {
	n := &node{t: s.t, got: map[dn.Node][]string{}}
	n.Port = New(Config{Self: id, Dial: s.dial, Receiver: n.receiver, Changed: n.changed, Hands: 3, Log: slog.New(slog.DiscardHandler)})
	n.SetPeers(append(peers, id))
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	s.mu.Lock()
	s.ports[id] = n.Port
	s.mu.Unlock()
	n.stop = sync.OnceFunc(func() {
		s.mu.Lock()
		delete(s.ports, id)
		s.mu.Unlock()
		cancel()
		_ = patience.Receive(s.t, "the end of Run", done)
		if q := n.Queued(); q != 0 {
			s.t.Errorf("%d bytes wait at the end", q)
		}
	})
	s.t.Cleanup(n.stop)
	return n
}

func (n *node) receiver(from dn.Node) func([][]byte) {
	return func(messages [][]byte) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.batches++
		for _, m := range messages {
			n.got[from] = append(n.got[from], string(m))
			clear(m) // it is ours until we return
		}
	}
}

func (n *node) changed(dn.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
}

func (n *node) told() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes
}

func (n *node) from(id dn.Node) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got[id])
}

// stands waits until so many streams to a peer do.
func (n *node) stands(peer dn.Node, want int) {
	n.t.Helper()
	patience.Until(n.t, fmt.Sprintf("%d streams of %s to %s", want, n.cfg.Self, peer), func() bool { return n.Standing()[peer] == want })
}

// gets waits for what comes from a peer, in any order.
func (n *node) gets(from dn.Node, want ...string) {
	n.t.Helper()
	slices.Sort(want)
	ok := patience.Within(patience.Limit, func() bool {
		got := n.from(from)
		slices.Sort(got)
		return slices.Equal(got, want)
	})
	if !ok {
		n.t.Fatalf("%s got %.200q of %s, want %.200q", n.cfg.Self, n.from(from), from, want)
	}
}

func (n *node) says(to dn.Node, group uint16, text string) {
	n.t.Helper()
	if err := n.Send(to, group, []byte(text)); err != nil {
		n.t.Fatal(err)
	}
}

// two are a pair whose streams stand; the first dials.
func two(s *site) (a, b *node) {
	s.t.Helper()
	a, b = s.node("a", "b"), s.node("b", "a")
	a.stands("b", Streams)
	b.stands("a", Streams)
	return a, b
}
