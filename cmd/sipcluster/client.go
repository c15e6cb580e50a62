package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// client talks to one node's TCport.
type client struct {
	addr    string
	timeout time.Duration
	conn    *grpc.ClientConn
	trace   trace

	availability tcpb.AvailabilityClient
	cluster      tcpb.ClusterClient
	config       configpb.ConfigurationClient
}

// connect prepares a client; the connection is made by the first call.
func connect(addr string, timeout time.Duration) (*client, error) {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return nil, usagef("--addr %s: want HOST:PORT of a node's TCport", addr)
	}
	c := &client{addr: addr, timeout: timeout}
	conn, err := grpc.NewClient("passthrough:///"+addr, append(c.trace.options(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20))...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	c.conn = conn
	c.availability = tcpb.NewAvailabilityClient(conn)
	c.cluster = tcpb.NewClusterClient(conn)
	c.config = configpb.NewConfigurationClient(conn)
	return c, nil
}

func (c *cli) connect() (*client, error) { return connect(c.addr, c.timeout) }

func (c *client) close() { _ = c.conn.Close() }

// call bounds one exchange with the node.
func (c *client) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

// unary makes one call with the deadline and explains its failure.
func unary[Req, Resp any](ctx context.Context, c *client, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) (Resp, error) {
	ctx, cancel := c.call(ctx)
	defer cancel()
	resp, err := do(ctx, req)
	return resp, c.explain(err)
}

// change is unary for a request that changes something.
func change[Req, Resp any](ctx context.Context, c *client, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) error {
	_, err := unary(ctx, c, do, req)
	return checkFirst(err)
}

// write writes the mutations all or nothing.
func (c *client) write(ctx context.Context, mutations ...*configpb.Mutation) error {
	return change(ctx, c, c.config.Write, &configpb.WriteRequest{RequestId: uuid.NewString(), Mutations: mutations})
}
