package node

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// peers keeps a connection to the cluster port of each node that requests were
// passed on to.
type peers struct {
	view func() *fsm.View
	addr func(id string) string
	dial func(id, addr string) (*grpc.ClientConn, error)

	mu     sync.Mutex
	conns  map[dn.Node]*peer
	closed bool
}

type peer struct {
	addr string
	conn *grpc.ClientConn
}

func newPeers(view func() *fsm.View, addr func(id string) string, dial func(id, addr string) (*grpc.ClientConn, error)) *peers {
	return &peers{view: view, addr: addr, dial: dial, conns: map[dn.Node]*peer{}}
}

// conn returns the connection to a node of the roster, at its present address;
// it may not stand yet. Those of nodes that left are closed.
func (p *peers) conn(id dn.Node) (grpc.ClientConnInterface, error) {
	view := p.view()
	addr := p.addr(string(id))
	if addr == "" {
		return nil, fmt.Errorf("node %s is not on the roster", id)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the node stops")
	}
	for other, c := range p.conns {
		if view.Node(string(other)) == nil || p.addr(string(other)) != c.addr {
			_ = c.conn.Close()
			delete(p.conns, other)
		}
	}
	if c := p.conns[id]; c != nil {
		if c.conn.GetState() == connectivity.TransientFailure {
			c.conn.ResetConnectBackoff() // after a long cut it would wait for two minutes
		}
		return c.conn, nil
	}
	conn, err := p.dial(string(id), addr)
	if err != nil {
		return nil, err
	}
	p.conns[id] = &peer{addr: addr, conn: conn}
	return conn, nil
}

// lost closes the connection to a node that is not heard any more: after a cut the old
// one fails with the first request that it is given.
func (p *peers) lost(id dn.Node) {
	p.mu.Lock()
	c := p.conns[id]
	delete(p.conns, id)
	p.mu.Unlock()
	if c != nil {
		_ = c.conn.Close()
	}
}

func (p *peers) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.conn.Close())
	}
	return errors.Join(errs...)
}
