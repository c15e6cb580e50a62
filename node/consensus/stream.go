package consensus

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// stream is Raft's view of the cluster port. Each connection begins with the
// id of the cluster, so that a node of another one, at an address that changed
// hands, is turned away before it can raise a term here.
type stream struct {
	net.Listener
	dial      func(ctx context.Context, addr string) (net.Conn, error)
	advertise addr
	clusterID func() string

	mu    sync.Mutex
	out   map[*outgoing]struct{} // connections dialled here
	ended bool
}

// outgoing is a dialled connection. Closing the stream closes it too: otherwise
// Raft's shutdown would wait for the answer of a peer that is cut off.
type outgoing struct {
	net.Conn
	s *stream
}

func (o *outgoing) Close() error {
	o.s.mu.Lock()
	delete(o.s.out, o)
	o.s.mu.Unlock()
	return o.Conn.Close()
}

// Close ends the listener and every connection that was dialled.
func (s *stream) Close() error {
	err := s.Listener.Close()
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.out))
	s.ended = true
	s.mu.Unlock()
	for _, o := range conns {
		_ = o.Close()
	}
	return err
}

func (s *stream) keep(conn net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	if s.out == nil {
		s.out = map[*outgoing]struct{}{}
	}
	o := &outgoing{conn, s}
	s.out[o] = struct{}{}
	return o, nil
}

// addr is the address that others dial; a listener may only know 0.0.0.0.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

const (
	maxClusterID = 255
	helloTimeout = 5 * time.Second
	silence      = time.Second
)

func (s *stream) Addr() net.Addr { return s.advertise }

func (s *stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id := s.clusterID()
	if id == "" || len(id) > maxClusterID {
		return nil, errors.New("this node does not belong to a cluster yet")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := s.dial(ctx, string(address))
	if err != nil {
		return nil, err
	}
	giveUpAfter(conn, silence)
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write(append([]byte{byte(len(id))}, id...)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return s.keep(conn)
}

func (s *stream) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &greeted{Conn: conn, want: s.clusterID}, nil
}

// greeted reads the cluster's id with the first Read, on Raft's goroutine of
// the connection: a silent caller holds up nobody.
type greeted struct {
	net.Conn
	want func() string
	once sync.Once
	err  error
}

func (g *greeted) Read(b []byte) (int, error) {
	g.once.Do(func() { g.err = g.hello() })
	if g.err != nil {
		return 0, g.err
	}
	return g.Conn.Read(b)
}

func (g *greeted) hello() error {
	_ = g.SetReadDeadline(time.Now().Add(helloTimeout))
	var n [1]byte
	if _, err := io.ReadFull(g.Conn, n[:]); err != nil {
		return err
	}
	id := make([]byte, n[0])
	if _, err := io.ReadFull(g.Conn, id); err != nil {
		return err
	}
	if want := g.want(); want == "" || string(id) != want {
		return otherCluster(string(id), want)
	}
	return g.SetReadDeadline(time.Time{})
}
