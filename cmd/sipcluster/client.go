package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// client talks to one node's TCport.
type client struct {
	addr    string
	timeout time.Duration
	conn    *grpc.ClientConn
	// undialled is set while the last attempt to connect failed.
	undialled atomic.Bool

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
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(c.dial),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20))
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

func (c *client) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	c.undialled.Store(err != nil)
	return conn, err
}

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

var mutationNumber = regexp.MustCompile(`^mutation (\d+): `)

// write writes the mutations all or nothing. A refusal names the object, so
// the mutation's number is left out.
func (c *client) write(ctx context.Context, mutations ...*configpb.Mutation) error {
	_, err := unary(ctx, c, c.config.Write, &configpb.WriteRequest{RequestId: uuid.NewString(), Mutations: mutations})
	var a answerError
	if errors.As(err, &a) {
		a.msg = mutationNumber.ReplaceAllString(a.msg, "")
		return a
	}
	return err
}

// errNobody says that nothing that is a node listens at the address.
var errNobody = errors.New("no sipcluster node answers")

// explain makes a person's sentence of a call's error; nil stays nil.
func (c *client) explain(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		s = status.FromContextError(err)
	}
	msg := s.Message()
	transport := strings.Contains(msg, "connection error") || strings.Contains(msg, "error reading from server") || strings.Contains(msg, "transport is closing")
	switch s.Code() {
	case codes.Unavailable, codes.DeadlineExceeded:
		switch {
		case c.undialled.Load():
			return fmt.Errorf("%w at %s: is it running? (--addr)", errNobody, c.addr)
		case strings.Contains(msg, "reading server preface"):
			return fmt.Errorf("what answers at %s is not a TCport: want a node's --tc-addr (--addr)", c.addr)
		case transport:
			return fmt.Errorf("the connection to %s was lost: see whether it was done, then try again", c.addr)
		case s.Code() == codes.DeadlineExceeded:
			return fmt.Errorf("the node at %s did not answer within %v: see whether it was done, then try again (--timeout)", c.addr, c.timeout)
		}
	case codes.Canceled:
		return errors.New("interrupted")
	case codes.Unimplemented:
		return fmt.Errorf("the node at %s does not offer this: another version, or not a TCport (--addr)", c.addr)
	}
	return answerError{s.Code(), msg}
}

// answerError is the refusal of a node that did answer, in its own words.
type answerError struct {
	code codes.Code
	msg  string
}

func (e answerError) Error() string { return e.msg }

// refused tells whether err is a node's answer with the code.
func refused(err error, code codes.Code) bool {
	var a answerError
	return errors.As(err, &a) && a.code == code
}
