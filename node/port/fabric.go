package port

import (
	"context"
	"net"
	"os"
	"sync"

	"github.com/sipcluster/sipcluster/internal/nowait"
)

// Fabric is this node's way to the others. `sipcluster dev` cuts it towards
// single nodes: what is sent there is lost, and open connections end. When both
// ends cut, the link between them is as good as unplugged.
type Fabric struct {
	mu    sync.Mutex
	cut   map[string]bool // host:port
	conns map[*cuttable]string
}

// NewFabric returns one that nothing cuts.
func NewFabric() *Fabric {
	return &Fabric{cut: map[string]bool{}, conns: map[*cuttable]string{}}
}

// Allow tells whether anything may be sent to an address.
func (f *Fabric) Allow(addr string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.cut[addr]
}

// Set replaces the addresses that are cut.
func (f *Fabric) Set(addrs []string) {
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

// Dial to an address that is cut times out, as into a void.
func (f *Fabric) Dial(ctx context.Context, addr string) (net.Conn, error) {
	if !f.Allow(addr) {
		ctx, cancel := context.WithTimeout(ctx, OpenTimeout)
		defer cancel()
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	d := net.Dialer{Timeout: OpenTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &cuttable{Conn: nowait.TCP(conn.(*net.TCPConn)), f: f}
	f.mu.Lock()
	f.conns[c] = addr
	f.mu.Unlock()
	return c, nil
}

// cuttable is a connection that a cut ends.
type cuttable struct {
	net.Conn
	f *Fabric
}

// NetConn is the connection below.
func (c *cuttable) NetConn() net.Conn { return c.Conn }

func (c *cuttable) Close() error {
	c.f.mu.Lock()
	delete(c.f.conns, c)
	c.f.mu.Unlock()
	return c.Conn.Close()
}
