package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/sipcluster/sipcluster/node/dn"
)

// errNotSent says that a request never left.
var errNotSent = errors.New("no connection")

// connectTimeout bounds the wait for a connection.
const connectTimeout = time.Second

// Peers keeps a connection to each node that was asked for something.
type Peers struct {
	address func(dn.Node) string
	dial    func(addr string) (*grpc.ClientConn, error)

	mu     sync.Mutex
	conns  map[dn.Node]*peer
	closed bool
}

// peer is a connection that tells whether a request was sent at all.
type peer struct {
	*grpc.ClientConn
	addr string
}

// NewPeers dials with dial, which must not wait. address is a node's cluster
// address, "" when it is not on the roster.
func NewPeers(address func(dn.Node) string, dial func(addr string) (*grpc.ClientConn, error)) *Peers {
	return &Peers{address: address, dial: dial, conns: map[dn.Node]*peer{}}
}

// Dial returns the connection to a node; it is made with the first request.
func (p *Peers) Dial(id dn.Node) (grpc.ClientConnInterface, error) {
	addr := p.address(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.conns[id]; old != nil && old.addr == addr && !p.closed {
		return old, nil
	}
	p.sweep()
	switch {
	case p.closed:
		return nil, errors.New("the node is stopping")
	case addr == "":
		return nil, errors.New("it is not on the roster")
	}
	conn, err := p.dial(addr)
	if err != nil {
		return nil, err
	}
	c := &peer{ClientConn: conn, addr: addr}
	p.conns[id] = c
	return c, nil
}

// sweep closes the connections to nodes that went or have another address.
func (p *Peers) sweep() {
	for id, c := range p.conns {
		if p.address(id) != c.addr {
			_ = c.Close()
			delete(p.conns, id)
		}
	}
}

// Close ends all connections; a request on its way fails.
func (p *Peers) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.Close())
	}
	clear(p.conns)
	return errors.Join(errs...)
}

// Invoke waits for the connection, then sends.
func (c *peer) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if err := c.standing(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	return c.ClientConn.Invoke(ctx, method, args, reply, opts...)
}

// standing waits until the connection stands. After a failure it dials at once,
// but waits no longer than connectTimeout: the state stays the same then.
func (c *peer) standing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	failed := false
	for {
		s := c.GetState()
		switch s {
		case connectivity.Ready:
			return nil
		case connectivity.Idle:
			c.Connect()
		case connectivity.TransientFailure:
			if failed {
				return errors.New("connecting failed")
			}
			c.ResetConnectBackoff()
		case connectivity.Shutdown:
			return errors.New("closed")
		case connectivity.Connecting:
			failed = true // what fails from here on is new
		}
		if !c.WaitForStateChange(ctx, s) {
			return ctx.Err()
		}
	}
}
