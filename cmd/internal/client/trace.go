package client

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// trace notes how far requests came, which gRPC tells in the text of its errors
// alone.
type trace struct {
	// undialled is set while the last attempt to connect failed.
	undialled atomic.Bool
	// sent is set once a request has left for a gRPC server.
	sent atomic.Bool
}

// options make a connection report to the trace.
func (t *trace) options(addrs []string) []grpc.DialOption {
	return []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return t.dial(ctx, addrs) }), grpc.WithStatsHandler(t)}
}

// dial connects to the first address that answers.
func (t *trace) dial(ctx context.Context, addrs []string) (conn net.Conn, err error) {
	for i, addr := range addrs {
		conn, err = t.dialOne(ctx, addr, len(addrs)-i)
		if err == nil {
			break
		}
	}
	t.undialled.Store(err != nil)
	return conn, err
}

// dialOne leaves time for those behind it.
func (t *trace) dialOne(ctx context.Context, addr string, left int) (net.Conn, error) {
	if until, bound := ctx.Deadline(); bound {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(until)/time.Duration(left))
		defer cancel()
	}
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// HandleRPC sees each step of a request.
func (t *trace) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); ok {
		t.sent.Store(true)
	}
}

// HandleConn, TagRPC and TagConn change nothing.
func (t *trace) HandleConn(context.Context, stats.ConnStats) {}

// TagRPC returns ctx.
func (t *trace) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn returns ctx.
func (t *trace) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
