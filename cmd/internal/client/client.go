// Package client is the program as the client of one node: which node and as whom,
// the connection, its failures in words for people, requests with a deadline, and
// streams that go on over a lost connection. The commands are built on it.
package client

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// Client talks to one node's TCport.
type Client struct {
	addr    string
	addrs   []string
	timeout time.Duration
	Conn    *grpc.ClientConn
	trace   trace
	dialing []grpc.DialOption
	// assumed is whether nobody has named the address.
	assumed bool
	// As is who asks; nil where nobody is asked.
	As *credential.Context

	Availability tcpb.AvailabilityClient
	Cluster      tcpb.ClusterClient
	Config       configpb.ConfigurationClient
	Access       configpb.AccessClient
}

// Connect prepares a client that asks in the clear, as nobody.
func Connect(addr string, timeout time.Duration) (*Client, error) {
	return ConnectTo(Target{Addrs: []string{addr}}, timeout)
}

// ConnectTo prepares a client; the connection is made by the first call.
func ConnectTo(t Target, timeout time.Duration) (*Client, error) {
	if err := checkAddrs(t.Addrs); err != nil {
		return nil, err
	}
	options, err := t.options()
	if err != nil {
		return nil, err
	}
	c := &Client{addr: places(t.Addrs), addrs: t.Addrs, timeout: timeout, As: t.As, assumed: t.Assumed}
	c.dialing = append(append(c.trace.options(t.Addrs), options...), cleaning()...)
	conn, err := grpc.NewClient("passthrough:///"+t.Addrs[0], append(append(c.dialing, c.following()),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20))...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.addr, err)
	}
	c.Conn = conn
	c.Availability = tcpb.NewAvailabilityClient(conn)
	c.Cluster = tcpb.NewClusterClient(conn)
	c.Config = configpb.NewConfigurationClient(conn)
	c.Access = configpb.NewAccessClient(conn)
	return c, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.Conn.Close() }

// Meet has the user's context learn the addresses of the cluster's members when it has
// fewer. A role that may not know them learns none.
func (c *Client) Meet(ctx context.Context, members int) {
	if c.As == nil || len(c.As.Addresses) >= min(members, maxRemembered) {
		return
	}
	ctx, cancel := c.Call(ctx)
	defer cancel()
	_, _ = c.Config.ListNodes(ctx, &configpb.ListNodesRequest{})
}

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
	_, err := Changed(ctx, c, do, req)
	return err
}

// Changed is Change for a request whose answer says something.
func Changed[Req, Resp any](ctx context.Context, c *Client, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) (Resp, error) {
	resp, err := Unary(ctx, c, do, req)
	return resp, checkFirst(err)
}

// Write writes the mutations all or nothing.
func (c *Client) Write(ctx context.Context, mutations ...*configpb.Mutation) error {
	return Change(ctx, c, c.Config.Write, &configpb.WriteRequest{RequestId: uuid.NewString(), Mutations: mutations})
}
