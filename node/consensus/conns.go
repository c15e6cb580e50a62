package consensus

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// conns keeps the connection to the leader, the present or the last one.
type conns struct {
	dial func(id, addr string) (*grpc.ClientConn, error)

	mu     sync.Mutex
	id     string
	addr   string
	conn   *grpc.ClientConn
	closed bool
}

// ready returns a connection to the node at addr that stands, or why it does not.
func (c *conns) ready(ctx context.Context, id, addr string) (*grpc.ClientConn, error) {
	conn, err := c.get(id, addr)
	if err != nil {
		return nil, err
	}
	return conn, standing(ctx, conn)
}

func (c *conns) get(id, addr string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("closed")
	}
	if c.conn != nil && c.id == id && c.addr == addr {
		return c.conn, nil
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
	conn, err := c.dial(id, addr)
	c.id, c.addr, c.conn = id, addr, conn
	return conn, err
}

func (c *conns) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.closed
	c.closed = true
	if before || c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// standing waits until the connection stands; a first failure to dial is an error.
func standing(ctx context.Context, conn *grpc.ClientConn) error {
	for {
		s := conn.GetState()
		switch s {
		case connectivity.Ready:
			return nil
		case connectivity.Idle:
			conn.Connect()
		case connectivity.TransientFailure:
			conn.ResetConnectBackoff() // for the next attempt
			return errors.New("connecting failed")
		case connectivity.Shutdown:
			return errors.New("closed")
		}
		if !conn.WaitForStateChange(ctx, s) {
			return ctx.Err()
		}
	}
}
