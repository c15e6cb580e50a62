package consensus

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// stream is Raft's way out by the cluster port. Each connection begins with a
// greeting, so that neither a node of another cluster nor another node at an
// address that changed hands hears a word of Raft. What comes in is transport's.
type stream struct {
	dial      func(ctx context.Context, id, addr string) (net.Conn, error)
	self      string
	advertise addr
	clusterID func() string

	mu    sync.Mutex
	stops bool                   // no connection is made at present
	out   map[*outgoing]struct{} // connections dialled here
	ended chan struct{}          // closed by Close, which ends what is being dialled, too
}

func newStream(dial func(ctx context.Context, id, addr string) (net.Conn, error), self *configpb.Node, clusterID func() string) *stream {
	return &stream{
		dial: dial, self: self.GetId(), advertise: addr(self.GetClusterAddr()), clusterID: clusterID,
		out: map[*outgoing]struct{}{}, ended: make(chan struct{}),
	}
}

// Accept yields nothing: transport takes what comes, each by itself.
func (s *stream) Accept() (net.Conn, error) {
	<-s.ended
	return nil, net.ErrClosed
}

// Close ends every connection that was dialled or is being; it is called once.
func (s *stream) Close() error {
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.out))
	close(s.ended)
	s.mu.Unlock()
	for _, o := range conns {
		_ = o.Close()
	}
	return nil
}

// pause ends every connection that was dialled, and makes none while it is on.
func (s *stream) pause(on bool) {
	s.mu.Lock()
	s.stops = on
	conns := slices.Collect(maps.Keys(s.out))
	s.mu.Unlock()
	if !on {
		return
	}
	for _, o := range conns {
		_ = o.Close()
	}
}

func (s *stream) keep(conn net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		_ = conn.Close()
		return nil, net.ErrClosed
	default:
	}
	if s.stops {
		_ = conn.Close()
		return nil, errPaused
	}
	o := &outgoing{Conn: conn, s: s}
	s.out[o] = struct{}{}
	return o, nil
}

// addr is the address that others dial; a listener may only know 0.0.0.0.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

const silence = time.Second

func (s *stream) Addr() net.Addr { return s.advertise }

// Dial connects to a server that target named.
func (s *stream) Dial(server raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, addr, ok := strings.Cut(string(server), "/")
	hello := greeting{cluster: s.clusterID(), to: id, from: s.self}
	if !ok || hello.cluster == "" {
		return nil, errors.New("this node does not belong to a cluster yet")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	dialled := make(chan struct{})
	defer close(dialled)
	go func() { // Raft waits for who dials before it stops
		select {
		case <-s.ended:
			cancel()
		case <-dialled:
		}
	}()
	conn, err := s.dial(ctx, id, addr)
	if err != nil {
		return nil, err
	}
	giveUpAfter(conn, silence)
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write(hello.encode()); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return s.keep(conn)
}
