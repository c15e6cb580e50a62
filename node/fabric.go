package node

import (
	"context"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/node/peerpb"
)

// fabric is this node's way to the others. `sipcluster dev` cuts it towards
// single nodes: what is sent there is lost, and open connections end. When both
// ends cut, the link between them is as good as unplugged.
type fabric struct {
	mu    sync.Mutex
	cut   map[string]bool // host:port
	conns map[*cuttable]string
}

func newFabric() *fabric {
	return &fabric{cut: map[string]bool{}, conns: map[*cuttable]string{}}
}

// allow tells whether anything may be sent to an address.
func (f *fabric) allow(addr string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.cut[addr]
}

// set replaces the addresses that are cut.
func (f *fabric) set(addrs []string) {
	f.mu.Lock()
	clear(f.cut)
	for _, a := range addrs {
		f.cut[a] = true
	}
	var ended []*cuttable
	for c, addr := range f.conns {
		if f.cut[addr] {
			ended = append(ended, c)
		}
	}
	f.mu.Unlock()
	for _, c := range ended {
		_ = c.Close()
	}
}

// dial to an address that is cut times out, as into a void.
func (f *fabric) dial(ctx context.Context, addr string) (net.Conn, error) {
	if !f.allow(addr) {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	d := net.Dialer{Timeout: openTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &cuttable{Conn: conn, f: f}
	f.mu.Lock()
	f.conns[c] = addr
	f.mu.Unlock()
	return c, nil
}

// cuttable is a connection that a cut ends.
type cuttable struct {
	net.Conn
	f *fabric
}

// NetConn is the connection below.
func (c *cuttable) NetConn() net.Conn { return c.Conn }

func (c *cuttable) Close() error {
	c.f.mu.Lock()
	delete(c.f.conns, c)
	c.f.mu.Unlock()
	return c.Conn.Close()
}

// fabricServer is the service by which `sipcluster dev` cuts the fabric; no other
// node has it.
type fabricServer struct {
	peerpb.UnimplementedFabricServer
	n *Node
}

// SetCut has this node send nothing to the named nodes, and everything to the others.
func (s fabricServer) SetCut(_ context.Context, req *peerpb.SetCutRequest) (*peerpb.SetCutResponse, error) {
	var addrs []string
	view := s.n.machine.View()
	for _, name := range req.GetNodes() {
		node := view.NodeByName(name)
		if node == nil {
			return nil, status.Errorf(codes.NotFound, "no node is named %.40q in this cluster", name)
		}
		node = s.n.at(node)
		addrs = append(addrs, node.GetClusterAddr(), node.GetGossipAddr())
	}
	s.n.fabric.set(addrs)
	s.n.log.Info("links cut by sipcluster dev", "peers", len(req.GetNodes()))
	return &peerpb.SetCutResponse{}, nil
}
