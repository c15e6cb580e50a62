package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
}

// addr is the address that others dial; a listener may only know 0.0.0.0.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

const (
	maxClusterID = 255
	helloTimeout = 5 * time.Second
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
	_ = conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := conn.Write(append([]byte{byte(len(id))}, id...)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	return conn, nil
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

// transport is Raft's TCP transport that also notes how far each follower's log
// reaches, from the answers to the heartbeats: Raft itself does not tell.
type transport struct {
	*raft.NetworkTransport
	requests chan raft.RPC // what Raft consumes: the network's and our own
	done     chan struct{}
	close    sync.Once

	mu      sync.Mutex
	lastLog map[raft.ServerID]progress
}

func newTransport(c *raft.NetworkTransportConfig) *transport {
	t := &transport{
		NetworkTransport: raft.NewNetworkTransportWithConfig(c),
		requests:         make(chan raft.RPC), done: make(chan struct{}), lastLog: map[raft.ServerID]progress{},
	}
	go t.pass()
	return t
}

// pass hands the network's requests to Raft until the transport is closed.
func (t *transport) pass() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			t.request(rpc)
		case <-t.done:
			return
		}
	}
}

func (t *transport) request(rpc raft.RPC) {
	select {
	case t.requests <- rpc:
	case <-t.done:
	}
}

// Consumer implements raft.Transport.
func (t *transport) Consumer() <-chan raft.RPC { return t.requests }

// Close implements raft.WithClose.
func (t *transport) Close() error {
	t.close.Do(func() { close(t.done) })
	return t.NetworkTransport.Close()
}

// electNow lets Raft stand for election without waiting for the heartbeat
// timeout, which is 2 s lost where there is no other voter to hear from.
func (t *transport) electNow(self raft.ServerID) {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(self), Addr: []byte(t.LocalAddr())}
	t.request(raft.RPC{Command: &raft.TimeoutNowRequest{RPCHeader: header}, RespChan: make(chan raft.RPCResponse, 1)})
}

type progress struct {
	index uint64
	at    time.Time
}

func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if err := t.NetworkTransport.AppendEntries(id, target, args, resp); err != nil {
		return err
	}
	if resp.Success {
		t.mu.Lock()
		t.lastLog[id] = progress{resp.LastLog, time.Now()}
		t.mu.Unlock()
	}
	return nil
}

// reached returns the last log index that the follower reported within the
// last d, 0 when it was silent.
func (t *transport) reached(id raft.ServerID, d time.Duration) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.lastLog[id]
	if time.Since(p.at) > d {
		return 0
	}
	return p.index
}

// addresses resolves a server's id by the roster, which is newer than the
// address in Raft's own configuration after a node moved.
type addresses func(id string) string

func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if s := a(string(id)); s != "" {
		return raft.ServerAddress(s), nil
	}
	return "", fmt.Errorf("node %s is not in the roster", id)
}
