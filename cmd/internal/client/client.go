// Package client is the program as the client of one node: the connection, its
// failures in words for people, requests with a deadline, and streams that go on
// over a lost connection. The commands are built on it.
package client

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
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// Client talks to one node's TCport.
type Client struct {
	addr    string
	timeout time.Duration
	Conn    *grpc.ClientConn
	trace   trace

	Availability tcpb.AvailabilityClient
	Cluster      tcpb.ClusterClient
	Config       configpb.ConfigurationClient
}

// Connect prepares a client; the connection is made by the first call.
func Connect(addr string, timeout time.Duration) (*Client, error) {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return nil, console.Usagef("--addr %s: want HOST:PORT of a node's TCport", addr)
	}
	c := &Client{addr: addr, timeout: timeout}
	conn, err := grpc.NewClient("passthrough:///"+addr, append(c.trace.options(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20))...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	c.Conn = conn
	c.Availability = tcpb.NewAvailabilityClient(conn)
	c.Cluster = tcpb.NewClusterClient(conn)
	c.Config = configpb.NewConfigurationClient(conn)
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.Conn.Close() }

// Call bounds one exchange with the node.
func (c *Client) Call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

// Unary makes one call with the deadline and explains its failure.
func Unary[Req, Resp any](ctx context.Context, c *Client, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) (Resp, error) {
	ctx, cancel := c.Call(ctx)
	defer cancel()
	resp, err := do(ctx, req)
	return resp, c.Explain(err)
}

// Change is Unary for a request that changes something.
func Change[Req, Resp any](ctx context.Context, c *Client, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) error {
	_, err := Unary(ctx, c, do, req)
	return checkFirst(err)
}

// Write writes the mutations all or nothing.
func (c *Client) Write(ctx context.Context, mutations ...*configpb.Mutation) error {
	return Change(ctx, c, c.Config.Write, &configpb.WriteRequest{RequestId: uuid.NewString(), Mutations: mutations})
}
